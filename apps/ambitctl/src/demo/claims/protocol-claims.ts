/** Group 4: every way of addressing, and protocols that are easily broken. */
import type { Lab } from '../../lab/lab.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { serviceFile } from '../observe/lab-program.ts';

const GIGABYTE = 1_000_000_000;
const DNS_SUFFIX = 'svc.cluster.local';

interface Trial {
  readonly id: string;
  readonly text: string;
  readonly pod: string;
  readonly argv: readonly string[];
  readonly timeoutMs?: number;
  /** What has to be in the output. */
  readonly expect: (output: string, lab: Lab) => boolean;
  /** The part of the output that is shown; default its first line. */
  readonly show?: (output: string) => string;
}

const curl = (...args: readonly string[]): readonly string[] => ['curl', '-sS', '-m', '10', ...args];

const TRIALS: readonly Trial[] = [
  {
    id: '4.1',
    text: 'service addresses (unmodified curl and nginx)',
    pod: 'shop/client',
    argv: curl('-4', 'http://web.shop/'),
    expect: (output) => output.startsWith('nginx for '),
  },
  {
    id: '4.2',
    text: 'headless services',
    pod: 'bank/teller',
    argv: curl('http://ledger.bank:8080/'),
    expect: (output) => /"pod":"ledger-[01]"/.test(output),
  },
  {
    id: '4.3',
    text: 'pod addresses, directly',
    pod: 'shop/client',
    argv: ['sh', '-c', 'exec curl -sS -m 10 "http://$1:8080/"', 'sh', '@bank/ledger-1'],
    expect: (output) => output.includes('"pod":"ledger-1"'),
  },
  {
    id: '4.4',
    text: 'redis (unmodified redis-server)',
    pod: 'bank/teller',
    argv: ['redis-cli', '-h', 'redis', 'ping'],
    expect: (output) => output.trim() === 'PONG',
  },
  {
    id: '4.5',
    text: 'a server that speaks first (MySQL greeting)',
    pod: 'bank/teller',
    argv: ['sh', '-c', '(sleep 1; echo x) | timeout 8 curl -sS telnet://mysql:3306 | head -c 21 | tail -c 16'],
    expect: (output) => output.includes('8.0.36-ambit-lab'),
  },
  {
    id: '4.6',
    text: 'half-closed connections: the answer comes after the end of sending',
    pod: 'bank/teller',
    argv: ['@node', '@transfer', 'vault', '7000', 'take', '5000000'],
    expect: (output) => output.includes('"isIntact":true'),
  },
  {
    id: '4.7',
    text: '1 GB down, unchanged',
    pod: 'bank/teller',
    argv: ['@node', '@transfer', 'vault', '7000', 'give', String(GIGABYTE)],
    timeoutMs: 120_000,
    expect: (output) => output.includes('"isIntact":true'),
  },
  {
    id: '4.8',
    text: '1 GB up, unchanged',
    pod: 'bank/teller',
    argv: ['@node', '@transfer', 'vault', '7000', 'take', String(GIGABYTE)],
    timeoutMs: 120_000,
    expect: (output) => output.includes('"isIntact":true'),
  },
  {
    id: '4.9',
    text: 'IPv6, service and pod',
    pod: 'shop/client',
    argv: ['sh', '-c', 'curl -sS -m 10 -6 http://web.shop/ && curl -sS -m 10 "http://[$1]:8080/"', 'sh', '@@shop/echo'],
    expect: (output, lab) =>
      output.includes(`nginx for ${lab.pod('shop/client').address.v6}`) &&
      output.includes(`"client":"${lab.pod('shop/client').address.v6}"`),
    show: (output) => output.trim().replace('\n', '; '),
  },
  {
    id: '4.10',
    text: 'a dual-stack service over IPv4 and IPv6',
    pod: 'shop/client',
    argv: ['sh', '-c', 'for v in -4 -6; do curl -sS -m 10 $v http://echo.shop/ || exit 1; echo; done'],
    expect: (output, lab) =>
      output.includes(`"client":"${lab.pod('shop/client').address.v4}"`) &&
      output.includes(`"client":"${lab.pod('shop/client').address.v6}"`),
    show: (output) => output.trim().replaceAll('\n', '; '),
  },
];

export const protocolClaims: ClaimGroup = {
  id: '4',
  title: 'Whatever worked without the mesh works in it',
  async prove(context) {
    const { lab } = context;
    for (const namespace of ['shop', 'bank']) lab.setDataplaneMode(namespace, 'ambient');
    for (const namespace of ['shop', 'bank']) await lab.waitForMode(namespace, 'ambient');
    for (const trial of TRIALS) await prove(context, trial);
    await proveNames(context);
    for (const namespace of ['shop', 'bank']) lab.setDataplaneMode(namespace, undefined);
    for (const namespace of ['shop', 'bank']) await lab.waitForMode(namespace, undefined);
  },
};

async function prove({ lab, report, signal }: ClaimContext, trial: Trial): Promise<void> {
  signal.throwIfAborted();
  const result = await lab.exec(
    trial.pod,
    trial.argv.map((word) => fill(lab, word)),
    { timeoutMs: trial.timeoutMs ?? 20_000 },
  );
  const output = result.stdout;
  const isProven = result.code === 0 && trial.expect(output, lab);
  const shown = isProven
    ? (trial.show ?? firstLine)(output)
    : `code ${result.code}: ${firstLine(output)} ${result.stderr.trim().slice(0, 200)}`;
  report({ id: trial.id, text: trial.text, observed: shown, isProven });
}

/** Names are answered by the capture: the resolver of the node sees no query for them. */
async function proveNames({ lab, report }: ClaimContext): Promise<void> {
  const names = ['web.shop', 'redis', `ledger-0.ledger.bank.${DNS_SUFFIX}`, 'no-such-service.bank'];
  const before = await dnsRequests(lab);
  const answers: string[] = [];
  for (const name of names) {
    const { code, stdout } = await lab.exec('bank/teller', ['getent', 'ahosts', name]);
    answers.push(`${name}: ${code === 0 ? stdout.split(/\s/, 1)[0] : 'not found'}`);
  }
  const asked = (await dnsRequests(lab)) - before;
  const isProven =
    asked > 0 &&
    answers.slice(0, 2).every((answer) => !answer.endsWith('not found')) &&
    (answers.at(-1) ?? '').endsWith('not found');
  report({
    id: '4.11',
    text: 'names are resolved by the capture',
    observed: `${answers.join(', ')}; ${asked} queries answered by ztunnel`,
    isProven,
  });
}

async function dnsRequests(lab: Lab): Promise<number> {
  const { body } = await lab.http('node1', 15_020, '/metrics');
  return [...body.matchAll(/^istio_dns_requests_total\S* (\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** `@pod` and `@@pod` stand for a pod's addresses, `@node` and `@transfer` for programs. */
function fill(lab: Lab, word: string): string {
  if (word === '@node') return process.execPath;
  if (word === '@transfer') return serviceFile(lab, 'transfer-client.ts');
  if (word.startsWith('@@')) return lab.pod(word.slice(2)).address.v6;
  return word.startsWith('@') ? lab.pod(word.slice(1)).address.v4 : word;
}

function firstLine(output: string): string {
  return output.trim().split('\n')[0] ?? '';
}
