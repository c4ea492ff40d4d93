/** Group 3: who may talk to whom, and how soon a change is felt. */
import type { Lab } from '../../lab/lab.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { HeldConnection } from '../observe/lab-program.ts';
import { readAccessLog } from '../observe/access-log.ts';

const NAMESPACES = ['shop', 'bank'] as const;
const POLICY_FILE = 'demo-policy.yaml';
const HTTP = 8080;
const TCP = 9000;
/** Time between writing a policy and its effect that a claim allows. */
const ONE_SECOND_MS = 1_000;

/** Tries one call and says whether it went through. */
async function canCall(lab: Lab, pod: string, port: number): Promise<boolean> {
  const address = lab.pod('shop/echo').address.v4;
  const call =
    port === TCP
      ? ['bash', '-c', 'exec 3<>"/dev/tcp/$0/9000" && IFS= read -r -t 3 line <&3 && [[ $line == *sees* ]]', address]
      : ['curl', '-sS', '-f', '-o', '/dev/null', '-m', '5', `http://${address}:${port}/`];
  return (await lab.exec(pod, call)).code === 0;
}

interface Expectation {
  readonly pod: string;
  readonly port?: number;
  readonly isAllowed: boolean;
}

interface PolicyTrial {
  readonly id: string;
  readonly text: string;
  readonly manifest: (lab: Lab) => string;
  readonly expectations: readonly Expectation[];
}

const onEcho = (name: string, spec: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { namespace: shop, name: ${name} }\nspec:\n  selector: { matchLabels: { app: echo } }\n${spec}`;
const inNamespace = (name: string, spec: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { namespace: shop, name: ${name} }\nspec:\n${spec}`;
const ONLY_SHOP = '  action: ALLOW\n  rules: [{ from: [{ source: { namespaces: [shop] } }] }]\n';
const peerMode = (mode: string): string =>
  `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { namespace: shop, name: default }\nspec: { mtls: { mode: ${mode} } }\n`;

const TRIALS: readonly PolicyTrial[] = [
  {
    id: '3.1',
    text: 'ALLOW by principal admits that principal and nobody else',
    manifest: () =>
      onEcho(
        'allow-client',
        '  action: ALLOW\n  rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/client] } }] }]\n',
      ),
    expectations: [
      { pod: 'shop/client', isAllowed: true },
      { pod: 'bank/teller', isAllowed: false },
      { pod: 'outside/stranger-1', isAllowed: false },
    ],
  },
  {
    id: '3.2',
    text: 'DENY by namespace',
    manifest: () => onEcho('deny-bank', '  action: DENY\n  rules: [{ from: [{ source: { namespaces: [bank] } }] }]\n'),
    expectations: [
      { pod: 'shop/client', isAllowed: true },
      { pod: 'bank/teller', isAllowed: false },
    ],
  },
  {
    id: '3.3',
    text: 'DENY by IP address',
    manifest: (lab) =>
      onEcho(
        'deny-address',
        `  action: DENY\n  rules: [{ from: [{ source: { ipBlocks: [${lab.pod('shop/client').address.v4}/32] } }] }]\n`,
      ),
    expectations: [
      { pod: 'shop/client', isAllowed: false },
      { pod: 'shop/neighbour', isAllowed: true },
    ],
  },
  {
    id: '3.4',
    text: 'DENY by port',
    manifest: () => onEcho('deny-port', `  action: DENY\n  rules: [{ to: [{ operation: { ports: ["${TCP}"] } }] }]\n`),
    expectations: [
      { pod: 'shop/client', port: HTTP, isAllowed: true },
      { pod: 'shop/client', port: TCP, isAllowed: false },
    ],
  },
  {
    id: '3.5',
    text: 'STRICT refuses plaintext from outside of the mesh',
    manifest: () => peerMode('STRICT'),
    expectations: [
      { pod: 'shop/client', isAllowed: true },
      { pod: 'outside/stranger-1', isAllowed: false },
      { pod: 'outside/stranger-2', isAllowed: false },
    ],
  },
  {
    id: '3.6',
    text: 'PERMISSIVE admits plaintext from outside of the mesh',
    manifest: () => peerMode('PERMISSIVE'),
    expectations: [
      { pod: 'shop/client', isAllowed: true },
      { pod: 'outside/stranger-1', isAllowed: true },
    ],
  },
  {
    id: '3.7',
    text: 'PERMISSIVE polices it too',
    manifest: (lab) =>
      `${peerMode('PERMISSIVE')}---\n${onEcho('deny-stranger', `  action: DENY\n  rules: [{ from: [{ source: { ipBlocks: [${lab.pod('outside/stranger-1').address.v4}/32] } }] }]\n`)}`,
    expectations: [
      { pod: 'outside/stranger-1', isAllowed: false },
      { pod: 'outside/stranger-2', isAllowed: true },
    ],
  },
];

export const policyClaims: ClaimGroup = {
  id: '3',
  title: 'Policy decides, and a change is felt at once',
  async prove(context) {
    const { lab } = context;
    for (const namespace of NAMESPACES) lab.setDataplaneMode(namespace, 'ambient');
    for (const namespace of NAMESPACES) await lab.waitForMode(namespace, 'ambient');
    for (const trial of TRIALS) await prove(context, trial);
    await proveLiveChange(context, '3.8', 'a new policy of the namespace', inNamespace('only-the-shop', ONLY_SHOP));
    await proveLiveChange(context, '3.9', 'a new policy for one workload', onEcho('only-the-shop', ONLY_SHOP));
    await proveNaming(context);
    lab.manifests.remove(POLICY_FILE);
    for (const namespace of NAMESPACES) lab.setDataplaneMode(namespace, undefined);
    for (const namespace of NAMESPACES) await lab.waitForMode(namespace, undefined);
  },
};

async function prove({ lab, report, signal }: ClaimContext, trial: PolicyTrial): Promise<void> {
  signal.throwIfAborted();
  await withdrawPolicies(lab);
  lab.manifests.put(POLICY_FILE, trial.manifest(lab));
  // Without a policy everybody is admitted: the first refusal shows that this one is in force.
  const decisive = trial.expectations.find(({ isAllowed }) => !isAllowed);
  if (decisive)
    await lab
      .waitFor('the policy to be in force', async () => !(await canCall(lab, decisive.pod, decisive.port ?? HTTP)), {
        timeoutMs: 10_000,
      })
      .catch(() => {});
  const results: string[] = [];
  let isProven = true;
  for (const { pod, port = HTTP, isAllowed } of trial.expectations) {
    const went = await canCall(lab, pod, port);
    isProven &&= went === isAllowed;
    results.push(`${pod}${port === HTTP ? '' : ` to port ${port}`} ${went ? 'admitted' : 'refused'}`);
  }
  report({ id: trial.id, text: trial.text, observed: results.join(', '), isProven });
}

/** Resolves when everybody is admitted again. */
async function withdrawPolicies(lab: Lab): Promise<void> {
  lab.manifests.remove(POLICY_FILE);
  await lab.waitFor('everybody to be admitted without policies', async () => {
    for (const pod of ['shop/client', 'bank/teller', 'outside/stranger-1', 'outside/stranger-2'])
      for (const port of [HTTP, TCP]) if (!(await canCall(lab, pod, port))) return false;
    return true;
  });
}

/** A policy that comes while connections are open closes those it forbids and leaves the others. */
async function proveLiveChange(
  { lab, report }: ClaimContext,
  id: string,
  what: string,
  manifest: string,
): Promise<void> {
  await withdrawPolicies(lab);
  const host = lab.pod('shop/echo').address.v4;
  await using forbidden = await HeldConnection.open(lab, 'bank/teller', host, TCP);
  await using stranger = await HeldConnection.open(lab, 'outside/stranger-1', host, TCP);
  await using permitted = await HeldConnection.open(lab, 'shop/client', host, TCP);
  lab.manifests.put(POLICY_FILE, manifest);
  const [tunnelled, plain] = await Promise.all([forbidden.brokeWithin(5_000), stranger.brokeWithin(5_000)]);
  const lives = await permitted.isAlive();
  const [first, second] = [tunnelled, plain].map((ms) =>
    ms === undefined ? 'not closed' : `closed after ${Math.round(ms)} ms`,
  );
  const isProven =
    tunnelled !== undefined && tunnelled <= ONE_SECOND_MS && plain !== undefined && plain <= ONE_SECOND_MS && lives;
  report({
    id,
    text: `${what} closes the connections it forbids within a second and no others`,
    observed: `tunnelled one ${first}, plaintext one ${second}, the permitted one ${lives ? 'goes on' : 'broke too'}`,
    isProven,
  });
}

async function proveNaming({ lab, report }: ClaimContext): Promise<void> {
  await withdrawPolicies(lab);
  lab.manifests.put(
    POLICY_FILE,
    onEcho('no-bankers', '  action: DENY\n  rules: [{ from: [{ source: { namespaces: [bank] } }] }]\n'),
  );
  await lab
    .waitFor('the policy to be in force', async () => !(await canCall(lab, 'bank/teller', HTTP)), { timeoutMs: 10_000 })
    .catch(() => {});
  const line = readAccessLog(lab, 'ztunnel.node2').findLast(({ error }) => error?.includes('shop/no-bankers'));
  const { body } = await lab.http('node2', 15_020, '/metrics');
  const metric = body.split('\n').find((text) => text.includes('no-bankers'));
  report({
    id: '3.10',
    text: 'the refusal names the policy in log and metric',
    observed: `log: ${line?.error ?? 'does not'}; metric: ${metric ?? 'does not'}`,
    isProven: line !== undefined && metric !== undefined,
  });
}
