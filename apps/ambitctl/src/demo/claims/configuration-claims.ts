/** Group 7: broken configuration is named with file and line, and the last good one stays in force. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Lab } from '../../lab/lab.ts';
import { FABRIC } from '../../lab/lab-names.ts';
import { PORTS } from '../../lab/process-plan.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { Crowd, describeCrowd } from '../observe/crowd.ts';

const GUARD = 'guard.yaml';
/** Refuses HTTP, and leaves the echo on 9000 alone. */
const GOOD = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: shop, name: guard }
spec:
  selector: { matchLabels: { app: echo } }
  action: DENY
  rules:
    - to: [{ operation: { ports: ["8080"] } }]
`;
/** Files that only faults bring. */
const OWN_FILES = ['strange.yaml', 'twin.yaml', 'dead.yaml'];
const HELD = 5;

export const configurationClaims: ClaimGroup = {
  id: '7',
  title: 'Broken configuration is named with file and line, and the last good one stays in force',
  async prove(context) {
    const { lab } = context;
    lab.setDataplaneMode('shop', 'ambient');
    await lab.waitForMode('shop', 'ambient');
    lab.manifests.put(GUARD, GOOD);
    try {
      await lab.waitFor('the policy to be in force', () => isGuarded(lab));
      await using crowd = await Crowd.gather(lab, 'shop/client', 'echo.shop', 9_000, HELD);
      for (const [index, fault] of FAULTS.entries()) await prove(context, crowd, `7.${index + 1}`, fault);
      await proveFix(context, `7.${FAULTS.length + 1}`);
    } finally {
      for (const file of [GUARD, ...OWN_FILES]) lab.manifests.remove(file);
      lab.setDataplaneMode('shop', undefined);
    }
    await lab.waitFor('the policy to be gone', async () => !(await isGuarded(lab)));
    await lab.waitForMode('shop', undefined);
  },
};

interface Fault {
  readonly text: string;
  /** File of the manifests that has the fault. */
  readonly file: string;
  readonly content: (lab: Lab) => string;
  /** Line of the fault, and words that the message must hold; each needs a report. */
  readonly expected: readonly { readonly line: number; readonly words: readonly string[] }[];
}

const FAULTS: readonly Fault[] = [
  {
    text: 'the file with all pods and services of a namespace is no YAML any more',
    file: 'shop.yaml',
    content: (lab) => `]\n---\n${manifest(lab, 'shop.yaml')}`,
    expected: [{ line: 1, words: [] }],
  },
  {
    text: 'a policy file that is no YAML any more',
    file: GUARD,
    content: () => GOOD.replace('  action: DENY', '  action: [DENY'),
    expected: [{ line: 7, words: [] }],
  },
  {
    text: 'a policy with a value that does not exist',
    file: GUARD,
    content: () => GOOD.replace('DENY', 'DENNY'),
    expected: [{ line: 6, words: ['DENNY'] }],
  },
  {
    text: 'an unknown kind',
    file: 'strange.yaml',
    content: () =>
      '# A spelling mistake.\napiVersion: security.istio.io/v1\nkind: AuthorisationPolicy\nmetadata: { namespace: shop, name: strange }\nspec: {}\n',
    expected: [{ line: 3, words: ['AuthorisationPolicy'] }],
  },
  {
    text: 'an unknown field',
    file: GUARD,
    content: () => GOOD.replace('spec:', 'spec:\n  actoin: ALLOW'),
    expected: [{ line: 5, words: ['actoin'] }],
  },
  {
    text: 'two pods with one address',
    file: 'twin.yaml',
    // A node that does not exist keeps the lab's kubelet from running it; its status is written by hand.
    content: (lab) => `apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: twin, labels: { app: twin }, annotations: { ambient.istio.io/redirection: enabled } }
spec:
  nodeName: nowhere
  serviceAccountName: web
  containers: [{ name: main, command: [sleep, infinity] }]
status:
  phase: Running
  podIPs: [{ ip: ${lab.pod('shop/echo').address.v4} }, { ip: "${lab.pod('shop/echo').address.v6}" }]
  conditions: [{ type: Ready, status: "True" }]
`,
    expected: [{ line: 1, words: ['shop/twin', 'shop/echo', '10.244.'] }],
  },
  {
    text: 'a policy that can never match',
    file: 'dead.yaml',
    content: () => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: shop, name: dead }
spec:
  action: DENY
  rules:
    - from: [{ source: { principals: [spiffe://cluster.local/ns/shop/sa/client] } }]
    - from: [{ source: { namespaces: [shpo] } }]
`,
    expected: [
      { line: 7, words: ['never matches', 'spiffe://'] },
      { line: 8, words: ['shpo'] },
    ],
  },
];

interface Report {
  readonly severity: string;
  readonly message: string;
  readonly location: { readonly file: string; readonly line: number };
}

async function prove(
  { lab, report, narrate, signal }: ClaimContext,
  crowd: Crowd,
  id: string,
  fault: Fault,
): Promise<void> {
  signal.throwIfAborted();
  await crowd.look();
  const before = existsSync(join(lab.paths.manifests, fault.file)) ? manifest(lab, fault.file) : undefined;
  lab.manifests.put(fault.file, fault.content(lab));
  let found: readonly Report[] = [];
  try {
    await lab.waitFor(
      `reports on ${fault.file}`,
      async () => {
        found = await reportsOn(lab, fault.file);
        return fault.expected.every((expected) => found.some((one) => fits(one, expected)));
      },
      { timeoutMs: 15_000 },
    );
  } catch {
    narrate(`reports on ${fault.file}: ${JSON.stringify(found)}`);
  }
  const isReported = fault.expected.every((expected) => found.some((one) => fits(one, expected)));
  const figures = await crowd.liveOn(lab);
  const isKept = await isGuarded(lab);
  if (before === undefined) lab.manifests.remove(fault.file);
  else lab.manifests.put(fault.file, before);
  const isGone = await settles(lab, fault.file);
  report({
    id,
    text: `${fault.text}: a message with file and line, and what was in force before stays so`,
    observed: `${found.length === 0 ? 'nothing is reported' : found.map(say).join(' | ')}; the policy ${isKept ? 'still refuses' : 'does not refuse any more'}; ${describeCrowd(figures)}; ${isGone ? 'no report once put right' : 'the report stays although it is put right'}`,
    isProven: isReported && isKept && isGone && figures.broken === 0 && figures.visits.failed === 0,
  });
}

/** A file that was broken and is put right, with another content, counts again. */
async function proveFix({ lab, report }: ClaimContext, id: string): Promise<void> {
  lab.manifests.put(GUARD, GOOD.replace('  action: DENY', '  action: [DENY'));
  await lab.waitFor('the broken file to be reported', async () => (await reportsOn(lab, GUARD)).length > 0);
  const isKept = await isGuarded(lab);
  const startMs = performance.now();
  lab.manifests.put(GUARD, GOOD.replace('"8080"', '"8081"'));
  let isOpen = false;
  try {
    await lab.waitFor('the new content to be in force', async () => (isOpen = !(await isGuarded(lab))), {
      timeoutMs: 15_000,
    });
  } catch {
    // Said below.
  }
  const takenMs = Math.round(performance.now() - startMs);
  report({
    id,
    text: 'a broken file that is put right comes into force with what it says then',
    observed: `refused while broken: ${isKept}; the new content is ${isOpen ? `in force ${takenMs} ms after it was written` : 'not in force'}`,
    isProven: isKept && isOpen,
  });
}

function manifest(lab: Lab, file: string): string {
  return readFileSync(join(lab.paths.manifests, file), 'utf8');
}

function fits(
  { message, location }: Report,
  { line, words }: { readonly line: number; readonly words: readonly string[] },
): boolean {
  return location.line === line && words.every((word) => message.includes(word));
}

/** What the control plane has to say about a file. */
async function reportsOn(lab: Lab, file: string): Promise<readonly Report[]> {
  const { body } = await lab.http(FABRIC, PORTS.controlPlaneHttp, '/debug/reports');
  const reports: readonly Report[] = JSON.parse(body);
  return reports.filter(({ location }) => basename(location.file) === file);
}

async function settles(lab: Lab, file: string): Promise<boolean> {
  try {
    await lab.waitFor(`no report on ${file}`, async () => (await reportsOn(lab, file)).length === 0, {
      timeoutMs: 15_000,
    });
    return true;
  } catch {
    return false;
  }
}

async function isGuarded(lab: Lab): Promise<boolean> {
  return (await lab.exec('shop/client', ['curl', '-sS', '-m', '5', '-o', '/dev/null', 'http://echo.shop/'])).code !== 0;
}

function say({ severity, message, location }: Report): string {
  return `${basename(location.file)}:${location.line}: ${severity}: ${message}`;
}
