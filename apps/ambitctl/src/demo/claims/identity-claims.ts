/** Group 2: who is who, and who holds which key. */
import type { Lab } from '../../lab/lab.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { readAccessLog, type AccessLine } from '../observe/access-log.ts';
import { describeLoad, LoadRun } from '../observe/lab-program.ts';

const CLIENT = 'spiffe://cluster.local/ns/shop/sa/client';
const SERVER = 'spiffe://cluster.local/ns/shop/sa/echo';
/** The lab's certificates live 150 seconds and are renewed after about fifteen. */
const ROTATION_DEADLINE_MS = 60_000;

export const identityClaims: ClaimGroup = {
  id: '2',
  title: 'Identities are proven at both ends, keys stay where they belong and rotate under load',
  async prove(context) {
    const { lab } = context;
    lab.setDataplaneMode('shop', 'ambient');
    await lab.waitForMode('shop', 'ambient');
    await lab.waitFor(
      'a tunnel',
      async () => (await call(lab, '-4'), tunnelLine(lab, 'ztunnel.node2', 0) !== undefined),
    );
    await proveAddresses(context);
    await proveIdentities(context);
    await proveKeys(context);
    await proveRotation(context);
    lab.setDataplaneMode('shop', undefined);
    await lab.waitForMode('shop', undefined);
  },
};

async function proveAddresses({ lab, report }: ClaimContext): Promise<void> {
  const own = lab.pod('shop/client').address;
  const seen = [await call(lab, '-4'), await call(lab, '-6')];
  report({
    id: '2.1',
    text: "the server sees the client's own address",
    observed: `client ${own.v4} and ${own.v6}; seen ${seen.join(' and ')}`,
    isProven: seen[0] === own.v4 && seen[1] === own.v6,
  });
}

async function proveIdentities({ lab, report }: ClaimContext): Promise<void> {
  const startMs = Date.now();
  await call(lab, '-4');
  await lab
    .waitFor(
      'both ends to log the connection',
      () => ['ztunnel.node1', 'ztunnel.node2'].every((name) => tunnelLine(lab, name, startMs) !== undefined),
      { timeoutMs: 5_000 },
    )
    .catch(() => {});
  const ends = ['ztunnel.node1', 'ztunnel.node2'].map((name) => tunnelLine(lab, name, startMs));
  const told = ends.map(
    (line) =>
      `${String(line?.fields.get('direction') ?? 'no line')}: ${String(line?.fields.get('src.identity') ?? 'unknown')} to ${String(line?.fields.get('dst.identity') ?? 'unknown')}`,
  );
  const isProven = ends.every(
    (line) => line?.fields.get('src.identity') === CLIENT && line.fields.get('dst.identity') === SERVER,
  );
  report({
    id: '2.2',
    text: 'identities are spiffe://.../ns/.../sa/..., verified at both ends',
    observed: told.join('; '),
    isProven,
  });
}

async function proveKeys({ lab, report }: ClaimContext): Promise<void> {
  const observed: string[] = [];
  let isProven = true;
  for (const { name: node } of lab.description.nodes) {
    const held = (await certificates(lab, node)).map(({ identity }) => identity);
    const own = lab
      .pods()
      .filter((sandbox) => sandbox.node.name === node && lab.redirection(sandbox.key) === 'enabled')
      .map(({ pod }) => `spiffe://cluster.local/ns/${pod.metadata.namespace}/sa/${pod.spec.serviceAccountName}`);
    const foreign = held.filter((identity) => !own.includes(identity));
    const missing = own.filter((identity) => !held.includes(identity));
    isProven &&= foreign.length === 0 && missing.length === 0;
    observed.push(
      `${node} holds ${held.map(accountOf).join(', ')}${foreign.length === 0 ? '' : ` (not its own: ${foreign.join(', ')})`}${missing.length === 0 ? '' : ` (without ${missing.join(', ')})`}`,
    );
  }
  report({ id: '2.3', text: 'each node holds keys for its own pods only', observed: observed.join('; '), isProven });
}

async function proveRotation({ lab, report, narrate }: ClaimContext): Promise<void> {
  const serials = async (): Promise<readonly string[]> => [
    await serialOf(lab, 'node1', CLIENT),
    await serialOf(lab, 'node2', SERVER),
  ];
  const first = await serials();
  await using fresh = new LoadRun(lab, 'shop/client', 'http://echo.shop/', 4, 'new');
  await using kept = new LoadRun(lab, 'shop/neighbour', 'http://echo.shop/', 2, 'keep');
  narrate('waiting for both certificates to be renewed');
  const startMs = performance.now();
  const isRotated = await lab
    .waitFor(
      'both certificates to be renewed',
      async () => (await serials()).every((serial, index) => serial !== first[index]),
      { timeoutMs: ROTATION_DEADLINE_MS },
    )
    .then(
      () => true,
      () => false,
    );
  const rotatedMs = performance.now() - startMs;
  // A pair that has no tunnel yet shakes hands with the new certificates.
  const handshake = await lab.exec('shop/web-1', [
    'curl',
    '-sS',
    '-f',
    '-o',
    '/dev/null',
    '-m',
    '5',
    'http://echo.shop/',
  ]);
  const loads = [await fresh.stop(), await kept.stop()];
  const isProven = isRotated && handshake.code === 0 && loads.every(({ ok, failed }) => ok > 0 && failed === 0);
  report({
    id: '2.4',
    text: 'certificates rotate at short lifetimes under load with no failed request',
    observed: `${isRotated ? `both renewed after ${Math.round(rotatedMs / 1_000)} s` : 'not renewed'}, a new tunnel ${handshake.code === 0 ? 'comes up' : 'fails'}; ${loads.map(describeLoad).join('; ')}`,
    isProven,
  });
}

/** The client's address as the server sees it. */
async function call(lab: Lab, family: '-4' | '-6'): Promise<string> {
  const { stdout, stderr } = await lab.exec('shop/client', ['curl', '-sS', family, '-m', '5', 'http://echo.shop/']);
  return /"client":"([^"]+)"/.exec(stdout)?.[1] ?? `nothing (${stderr.trim()})`;
}

function tunnelLine(lab: Lab, process: string, sinceMs: number): AccessLine | undefined {
  return readAccessLog(lab, process).findLast(
    ({ timeMs, message, fields }) =>
      timeMs >= sinceMs &&
      message === 'connection complete' &&
      fields.get('dst.workload') === 'echo' &&
      fields.get('src.identity') !== undefined,
  );
}

interface HeldCertificate {
  readonly identity: string;
  readonly serialNumber: string;
}

/** Certificates of a node's proxy, from its admin interface. */
async function certificates(lab: Lab, node: string): Promise<readonly HeldCertificate[]> {
  const { body } = await lab.http(node, 15_000, '/config_dump');
  // The dump of a program of the lab; a field that is missing shows as such.
  const dump: {
    readonly certificates?: readonly {
      readonly identity: string;
      readonly state: string;
      readonly certChain: readonly { readonly serialNumber: string }[];
    }[];
  } = JSON.parse(body);
  return (dump.certificates ?? [])
    .filter(({ certChain }) => certChain.length > 0)
    .map(({ identity, certChain }) => ({ identity, serialNumber: certChain[0]?.serialNumber ?? '' }));
}

async function serialOf(lab: Lab, node: string, identity: string): Promise<string> {
  return (await certificates(lab, node)).find((held) => held.identity === identity)?.serialNumber ?? 'none';
}

function accountOf(identity: string): string {
  return identity.replace(/^.*\/ns\/([^/]+)\/sa\/([^/]+)$/, '$1/$2');
}
