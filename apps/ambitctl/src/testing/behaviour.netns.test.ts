/** Tables of behaviour, live: real control plane, node proxies, tunnels and waypoint; requests as bytes from pods. */
import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { after, before, describe, test } from 'node:test';
import {
  behaviourNamespace,
  type BehaviourEntry,
  type BehaviourRequest,
  type BehaviourTable,
  behaviourTables,
  hostOfEntry,
  manifestsOf,
  requestsOf,
  substitute,
  TokenMint,
} from '@ambit/testing';
import { podManifest, ProofLab, readAnswer } from './proof-lab.ts';

const tables = [
  'authorization-sources',
  'authorization-operations',
  'authorization-conditions',
  'jwt',
  'path-base',
  'virtual-service',
  'http-route',
];
const callers: readonly string[] = ['proof/frontend', 'web/app', 'web/a', 'web/good', 'web/bad', 'other/app'];
/** Requests of one table, spread over its entries; the golden tests decide about all of them. */
const sampleSize = 120;

interface LiveCase {
  readonly service: string;
  readonly request: BehaviourRequest;
  readonly outcome: string;
  readonly pod: string;
}

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';

describe('tables of behaviour in a lab', { skip }, () => {
  let proof: ProofLab;

  before(async () => {
    proof = await ProofLab.open('b', callers);
  });

  after(async () => {
    await proof[Symbol.asyncDispose]();
  });

  for (const name of tables) {
    test(`${name}: what the table says is what clients get`, async () => {
      const [table] = behaviourTables(name);
      assert.ok(table);
      const mint = new TokenMint(Date.now());
      const cases = sample(casesOf(table));
      assert.ok(cases.length >= 30, `${cases.length} requests`);
      const used = new Set(cases.map(({ service }) => service));
      const shown = { ...table, entries: table.entries.filter((entry) => used.has(entry.name)) };
      const fill = (text: string): string =>
        text.startsWith('jwks:') ? mint.jwks(text.slice('jwks:'.length).split(',')) : `\${${text}}`;
      const backend = podManifest(
        behaviourNamespace,
        'behaviour',
        'behaviour',
        "['$(NODE)', '$(LAB_DIR)/services/front.ts', behaviour]",
      );
      proof.lab.manifests.put('table.yaml', `${manifestsOf(shown, { fill })}---\n${backend}`);
      await proof.settled(callers, ['proof/behaviour', 'proof/waypoint-waypoint']);
      let wrong = cases;
      let problems: readonly string[] = [];
      await proof.lab
        .waitFor(
          'every answer to be the table’s',
          async () => {
            problems = await problemsOf(proof, table, mint, wrong);
            wrong = wrong.filter((_, index) => problems[index] !== '');
            return wrong.length === 0;
          },
          { timeoutMs: 30_000 },
        )
        .catch(() => {});
      assert.deepEqual(
        wrong.map(
          ({ service, request }, index) =>
            `${service} ${JSON.stringify(request)}: ${problems.filter((one) => one !== '')[index]}`,
        ),
        [],
      );
    });
  }
});

/** Requests that pods can make: of their own accounts and addresses, over HTTP/1.1. */
function casesOf(table: BehaviourTable): readonly LiveCase[] {
  return table.entries.filter(isLive).flatMap(({ name, decisions }) =>
    Object.entries(decisions).flatMap(([outcome, list]) =>
      requestsOf(list).flatMap((request): readonly LiveCase[] => {
        const { as = 'frontend', from, protocol } = request;
        const pod = as.includes('/') ? as : `${behaviourNamespace}/${as}`;
        if (!callers.includes(pod) || from !== undefined || protocol === 'HTTP/2') return [];
        return isSendable(request) ? [{ service: name, request, outcome, pod }] : [];
      }),
    ),
  );
}

/** What is HTTP at all, with a method that Node's server knows. */
function isSendable({ do: line, headers = {} }: BehaviourRequest): boolean {
  const [method = '', ...target] = line.split(' ');
  const isKnown = METHODS.includes(method.toUpperCase());
  return isKnown && target.length === 1 && !Object.keys(headers).some((name) => name.startsWith('@'));
}

/** What says nothing of addresses, which pods have others of. */
function isLive({ resources }: BehaviourEntry): boolean {
  return !/pBlocks|"(?:source|remote|destination)\.ip"/.test(JSON.stringify(resources));
}

/** Evenly over the list, so that every part of a table has its share. */
function sample(cases: readonly LiveCase[]): readonly LiveCase[] {
  const step = Math.max(1, cases.length / sampleSize);
  return Array.from({ length: Math.floor(cases.length / step) }, (_, index) => cases[Math.floor(index * step)]).filter(
    (one) => one !== undefined,
  );
}

/** For each case what is not as the table says; empty if everything is. */
async function problemsOf(
  proof: ProofLab,
  table: BehaviourTable,
  mint: TokenMint,
  cases: readonly LiveCase[],
): Promise<readonly string[]> {
  const fill = (text: string): string =>
    substitute(text, (name) => {
      const token = table.tokens?.[name];
      assert.ok(token, name);
      return mint.mint(token);
    });
  const problems = cases.map(() => 'no answer');
  for (const pod of callers) {
    const own = cases.flatMap((one, index) => (one.pod === pod ? [{ ...one, index }] : []));
    if (own.length === 0) continue;
    const answers = await proof.send(
      pod,
      own.map(({ service, request }) => ({
        host: hostOfEntry(service),
        port: request.port ?? 80,
        text: fill(requestText(request)),
      })),
    );
    for (const [at, { index, request, outcome }] of own.entries()) {
      const answer = answers[at];
      problems[index] =
        answer === undefined ? 'no answer' : problemOf(fill, answer.text, answer.ending, request, outcome);
    }
  }
  return problems;
}

function requestText({ do: line, host = 'shop.example.com', headers = {} }: BehaviourRequest): string {
  const fields = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  return `${line} HTTP/1.1\r\nhost: ${host}\r\n${fields.join('')}connection: close\r\n\r\n`;
}

function problemOf(
  fill: (text: string) => string,
  text: string,
  ending: string,
  { sees = {}, body }: BehaviourRequest,
  outcome: string,
): string {
  const answer = readAnswer(text);
  if (answer === undefined) return `no answer: ${ending} ${JSON.stringify(text.slice(0, 100))}`;
  if (String(answer.status) !== outcome) return `answered ${answer.status}, not ${outcome}`;
  if (body !== undefined && answer.body !== body) return `the body is ${answer.body}`;
  if (outcome !== '200') return '';
  const got: { readonly path: string; readonly headers: Readonly<Record<string, string>> } = JSON.parse(answer.body);
  for (const [name, value] of Object.entries(sees)) {
    const seen = name === ':path' ? got.path : got.headers[name];
    const expected = value === null ? undefined : fill(value);
    if (seen !== expected) return `the backend saw ${name}: ${seen}, not ${expected}`;
  }
  return '';
}
