/** Group 5: what an outage of each part of the mesh breaks, what it does not, and how it heals. */
import type { Lab } from '../../lab/lab.ts';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { addVisits, Crowd, describeCrowd, type CrowdFigures } from '../observe/crowd.ts';

const HELD = 10;
const ECHO_PORT = 9_000;
const READY_TIMEOUT_MS = 60_000;
/** Words after which the connections of a draining proxy end by themselves; well within the grace. */
const PARTING_WORDS = 15;
/** The grace itself. Spec: contract data-plane 5.9. */
const GRACE_MS = 5_000;

export const outageClaims: ClaimGroup = {
  id: '5',
  title: 'What knows its peers needs nobody else: outages, restarts, draining',
  async prove(context) {
    const { lab } = context;
    lab.setDataplaneMode('shop', 'ambient');
    await lab.waitForMode('shop', 'ambient');
    try {
      await proveControlOutages(context);
      await proveProxyKill(context, '5.7', 'ztunnel.node1', 'client');
      await proveProxyKill(context, '5.8', 'ztunnel.node2', 'server');
      await proveDrain(context, '5.9', 'ztunnel.node1', 'client');
      await proveDrain(context, '5.10', 'ztunnel.node2', 'server');
      await proveDeadline(context, '5.11', 'ztunnel.node1');
    } finally {
      lab.setDataplaneMode('shop', undefined);
    }
    await lab.waitForMode('shop', undefined);
  },
};

async function proveControlOutages(context: ClaimContext): Promise<void> {
  await using across = await Crowd.gather(context.lab, 'shop/client', 'echo.shop', ECHO_PORT, HELD);
  await using beside = await Crowd.gather(context.lab, 'shop/neighbour', 'echo.shop', ECHO_PORT, HELD);
  const crowds: Crowds = { across, beside };
  await proveOutage(context, crowds, '5.1', ['control-plane']);
  await proveOutage(context, crowds, '5.2', ['ca']);
  await proveOutage(context, crowds, '5.3', ['bus']);
  await proveOutage(context, crowds, '5.4', ['control-plane', 'ca', 'bus']);
  await proveRecovery(context);
  await proveAgentRestart(context, crowds);
}

interface Crowds {
  /** From one node to the other. */
  readonly across: Crowd;
  /** Within the second node. */
  readonly beside: Crowd;
}

/** Both crowds go on for a while; a new connection that fails ends the wait. */
async function liveOn(lab: Lab, { across, beside }: Crowds): Promise<readonly CrowdFigures[]> {
  return Promise.all([across.liveOn(lab), beside.liveOn(lab)]);
}

async function proveOutage(
  { lab, report, narrate, signal }: ClaimContext,
  crowds: Crowds,
  id: string,
  names: readonly string[],
): Promise<void> {
  signal.throwIfAborted();
  const before = await liveOn(lab, crowds);
  let during: readonly CrowdFigures[];
  try {
    await Promise.all(names.map((name) => lab.process(name).stop()));
    narrate(`${names.join(', ')} gone`);
    during = await liveOn(lab, crowds);
  } finally {
    // Once interrupted, the lab is being taken down, and nothing may start any more.
    if (!signal.aborted) for (const name of names) lab.process(name).start();
  }
  for (const name of names) await lab.process(name).waitReady(READY_TIMEOUT_MS);
  const after = await liveOn(lab, crowds);
  const figures = before.map((one, index) =>
    [one, during[index], after[index]].filter((figure) => figure !== undefined).reduce(addVisits),
  );
  const who = names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}, all at once,` : names[0];
  report({
    id,
    text: `killing ${who} breaks no connection, old or new, between known workloads`,
    observed: figures
      .map((figure, index) => `${index === 0 ? 'between nodes' : 'on one node'}: ${describeCrowd(figure)}`)
      .join('; '),
    isProven: figures.every(isUnharmed),
  });
}

/** What was away serves again: a policy written after the outage comes into force, and goes. */
async function proveRecovery({ lab, report }: ClaimContext): Promise<void> {
  const policy =
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { namespace: shop, name: after-outage }\nspec:\n  action: DENY\n  rules: [{ to: [{ operation: { ports: ["8080"] } }] }]\n';
  const answers = async (): Promise<boolean> =>
    (await lab.exec('shop/client', ['curl', '-sS', '-m', '5', '-o', '/dev/null', 'http://echo.shop/'])).code === 0;
  const startMs = performance.now();
  lab.manifests.put('after-outage.yaml', policy);
  try {
    await lab.waitFor('the policy to come into force', async () => !(await answers()));
  } finally {
    lab.manifests.remove('after-outage.yaml');
  }
  const inForceMs = performance.now() - startMs;
  await lab.waitFor('the policy to go out of force', answers);
  report({
    id: '5.5',
    text: 'after the outage of all three the proxies hear the control plane again by themselves',
    observed: `a new policy is enforced ${Math.round(inForceMs)} ms after it is written, and gone once removed`,
    isProven: true,
  });
}

async function proveAgentRestart({ lab, report, signal }: ClaimContext, crowds: Crowds): Promise<void> {
  signal.throwIfAborted();
  const agents = lab.description.nodes.map(({ name }) => lab.process(`cni-agent.${name}`));
  const before = await liveOn(lab, crowds);
  const startMs = performance.now();
  await killAndWait(agents);
  const readyMs = performance.now() - startMs;
  const after = await liveOn(lab, crowds);
  // The new agents serve: a namespace comes in and goes.
  lab.setDataplaneMode('bank', 'ambient');
  await lab.waitForMode('bank', 'ambient');
  lab.setDataplaneMode('bank', undefined);
  await lab.waitForMode('bank', undefined);
  const last = await liveOn(lab, crowds);
  const figures = before.map((one, index) =>
    [one, after[index], last[index]].filter((figure) => figure !== undefined).reduce(addVisits),
  );
  report({
    id: '5.6',
    text: 'killed agents come back by themselves, adopt the pods that are in the mesh, and enrol again',
    observed: `ready again after ${Math.round(readyMs)} ms, a namespace enrolled and un-enrolled since; ${figures.map((figure, index) => `${index === 0 ? 'between nodes' : 'on one node'}: ${describeCrowd(figure)}`).join('; ')}`,
    isProven: figures.every(isUnharmed),
  });
}

type Role = 'client' | 'server';

/** The pod's own address: a name would have to be resolved by the proxy that is away, which hides lost connections. */
function gather(lab: Lab, pod: string): Promise<Crowd> {
  return Crowd.gather(lab, pod, lab.pod('shop/echo').address.v4, ECHO_PORT, HELD);
}

/** Looks until new connections work; the figures since the last look. */
async function untilVisited(lab: Lab, crowd: Crowd): Promise<CrowdFigures> {
  let figures = await crowd.look();
  await lab.waitFor('new connections to work again', async () => {
    const next = await crowd.look();
    figures = addVisits(figures, next);
    return next.visits.ok > 0 && next.visits.failed === 0;
  });
  return figures;
}

async function proveProxyKill(
  { lab, report, signal }: ClaimContext,
  id: string,
  name: string,
  role: Role,
): Promise<void> {
  signal.throwIfAborted();
  await using through = await gather(lab, 'shop/client');
  // Within the server's node, so that the proxy of the client's node is not on its way.
  await using around = role === 'client' ? await gather(lab, 'shop/neighbour') : undefined;
  const proxy = lab.process(name);
  const { pid } = proxy;
  const startMs = performance.now();
  await killAndWait([proxy]);
  const readyMs = Math.round(performance.now() - startMs);
  const figures = await untilVisited(lab, through);
  const others = await around?.look();
  await using fresh = await gather(lab, 'shop/client');
  const later = await fresh.liveOn(lab);
  const untouched = others === undefined ? '' : `; not over this node: ${describeCrowd(others)}`;
  report({
    id,
    text: `a ztunnel that is killed (${role} side) comes back by itself; its own connections are lost`,
    observed: `${describeCrowd(figures)}; no new connection for ${figures.visits.longestGapMs} ms, ready after ${readyMs} ms; then ${describeCrowd(later)}${untouched}`,
    isProven: proxy.pid !== pid && isUnharmed(later) && (others === undefined || isUnharmed(others)),
  });
}

/** SIGTERM: what is open goes on within the grace, and ends when it is done. */
async function proveDrain({ lab, report, signal }: ClaimContext, id: string, name: string, role: Role): Promise<void> {
  signal.throwIfAborted();
  await using crowd = await gather(lab, 'shop/client');
  const proxy = lab.process(name);
  const { pid } = proxy;
  const first = await crowd.look();
  const startMs = performance.now();
  const ended = proxy.ended();
  proxy.kill('SIGTERM');
  let last = first;
  let visits = first;
  await lab.waitFor('the held connections to go on during the drain', async () => {
    last = await crowd.look();
    visits = addVisits(visits, last);
    return last.broken > 0 || last.leastWords >= first.leastWords + PARTING_WORDS;
  });
  const isRunning = proxy.pid === pid;
  last = await crowd.part();
  visits = addVisits(visits, last);
  const partedMs = Math.round(performance.now() - startMs);
  await ended;
  const endedMs = Math.round(performance.now() - startMs);
  await proxy.waitReady(READY_TIMEOUT_MS);
  visits = addVisits(visits, await untilVisited(lab, crowd));
  await using fresh = await gather(lab, 'shop/client');
  const later = await fresh.liveOn(lab);
  report({
    id,
    text: `a ztunnel that is told to end (${role} side) lets its connections finish first`,
    observed: `${last.broken} of ${last.held} held connections lost: they had ${last.words - first.words} words answered after SIGTERM and ended by themselves at ${partedMs} ms; the process ended at ${endedMs} ms; until the next one was there, ${visits.visits.failed} new connections were refused, for ${visits.visits.longestGapMs} ms; then ${describeCrowd(later)}`,
    isProven: isRunning && last.broken === 0 && isUnharmed(later),
  });
}

/** Connections that do not end by themselves are cut when the grace is over, and not before. */
/** In this last part of a drain a proxy ends connections that were just answered, so that it need not cut a request. */
const LAST_MS = 1_000;

async function proveDeadline({ lab, report, signal }: ClaimContext, id: string, name: string): Promise<void> {
  signal.throwIfAborted();
  await using crowd = await gather(lab, 'shop/client');
  const proxy = lab.process(name);
  const startMs = performance.now();
  const ended = proxy.ended();
  proxy.kill('SIGTERM');
  let firstLostMs: number | undefined;
  const isOver = ended.then(() => true);
  while (
    !(await Promise.race([
      isOver,
      crowd.look().then(({ broken }) => {
        if (broken > 0) firstLostMs ??= Math.round(performance.now() - startMs);
        return false;
      }),
    ]))
  )
    signal.throwIfAborted();
  const endedMs = Math.round(performance.now() - startMs);
  await proxy.waitReady(READY_TIMEOUT_MS);
  const { broken, held } = await untilVisited(lab, crowd);
  report({
    id,
    text: `connections that do not finish within the grace of ${GRACE_MS} ms end in its last second, between two words, and not before`,
    observed: `${broken} of ${held} held connections lost, the first at ${firstLostMs ?? endedMs} ms; the process ended at ${endedMs} ms`,
    isProven: broken === held && Math.min(firstLostMs ?? endedMs, endedMs) >= GRACE_MS - LAST_MS - 100,
  });
}

function isUnharmed({ broken, visits }: CrowdFigures): boolean {
  return broken === 0 && visits.failed === 0 && visits.ok > 0;
}

/** SIGKILL for each; resolves when the next runs are ready. */
async function killAndWait(processes: readonly ReturnType<Lab['process']>[]): Promise<void> {
  const ended = processes.map((process) => process.ended());
  for (const process of processes) process.kill('SIGKILL');
  await Promise.all(ended);
  for (const process of processes) await process.waitReady(READY_TIMEOUT_MS);
}
