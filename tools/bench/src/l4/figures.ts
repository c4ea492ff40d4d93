/** What is measured, in the order of the report; each figure of one subject in one round is one number. */
import { AmbitError } from '@ambit/runtime';
import { cpuSeconds, largestMemory } from '../process-usage.ts';
import type { RelayClient } from './relay-client.ts';
import type { Subject } from './subjects.ts';

export interface Figure {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

const CONNECTIONS = [1, 16, 64] as const;
const FLOWS = [1, 4] as const;
/** Connections under way at once where each carries one request. */
const CONNECTING = 16;
const REPLACEMENTS = 9;
/** As long as some thousand connections take, which is when all code that they need is compiled. */
const WARM_UP_SECONDS = 3;

export const figures: readonly Figure[] = [
  ...CONNECTIONS.flatMap((connections): Figure[] => [
    {
      key: `requests.${connections}`,
      title: `1 KB requests, ${connections} connections`,
      unit: 'a second',
      better: 'more',
    },
    { key: `p50.${connections}`, title: `p50, ${connections} connections`, unit: 'us', better: 'less' },
    { key: `cpu.${connections}`, title: `proxy CPU a request, ${connections} connections`, unit: 'us', better: 'less' },
  ]),
  ...FLOWS.flatMap((flows): Figure[] => [
    {
      key: `up.${flows}`,
      title: `bulk to the server, ${flows} flow${flows > 1 ? 's' : ''}`,
      unit: 'Gbit/s',
      better: 'more',
    },
    {
      key: `down.${flows}`,
      title: `bulk to the client, ${flows} flow${flows > 1 ? 's' : ''}`,
      unit: 'Gbit/s',
      better: 'more',
    },
    { key: `cpuGb.${flows}`, title: `proxy CPU a GB, ${flows} flow${flows > 1 ? 's' : ''}`, unit: 's', better: 'less' },
  ]),
  { key: 'connects', title: 'connect, request, close', unit: 'a second', better: 'more' },
  { key: 'cpuConnect', title: 'proxy CPU a connect, request, close', unit: 'us', better: 'less' },
  { key: 'idleMiB', title: 'private memory before load', unit: 'MiB', better: 'less' },
  { key: 'loadedMiB', title: 'private memory after load', unit: 'MiB', better: 'less' },
  { key: 'connectionKiB', title: 'private memory an idle connection, both proxies', unit: 'KiB', better: 'less' },
];

/** Figures of one subject in one round, by key; what could not be measured is absent. */
export type Measured = Record<string, number>;

export interface Problem {
  readonly subject: string;
  readonly text: string;
}

/** All runs of load against one subject, one after the other. Errors of the load are problems, not figures. */
export async function measureRound(subject: Subject, seconds: number, problems: Problem[]): Promise<Measured> {
  const measured: Measured = {};
  const complain = (what: string, errors: number): void => {
    if (errors > 0) problems.push({ subject: subject.name, text: `${what}: ${errors} errors` });
  };
  for (const connections of CONNECTIONS) {
    const before = cpuSeconds(subject.proxies);
    const run = await subject.load.requests(subject.target, connections, seconds);
    complain(`${connections} connections`, run.errors);
    measured[`requests.${connections}`] = run.perSecond;
    measured[`p50.${connections}`] = run.p50Us;
    // The run counts requests after its first tenth, CPU time is of the whole run: scale to the same time.
    if (subject.proxies.length > 0 && run.perSecond > 0)
      measured[`cpu.${connections}`] = ((cpuSeconds(subject.proxies) - before) * 1e6) / (run.perSecond * seconds);
  }
  for (const flows of FLOWS) {
    const before = cpuSeconds(subject.proxies);
    const up = await subject.load.bulk(subject.target, flows, seconds, 'up');
    const down = await subject.load.bulk(subject.target, flows, seconds, 'down');
    complain(`${flows} flows`, up.errors + down.errors);
    measured[`up.${flows}`] = up.gbitPerSecond;
    measured[`down.${flows}`] = down.gbitPerSecond;
    const gigabytes = ((up.gbitPerSecond + down.gbitPerSecond) / 8) * seconds;
    if (subject.proxies.length > 0 && gigabytes > 0)
      measured[`cpuGb.${flows}`] = (cpuSeconds(subject.proxies) - before) / gigabytes;
  }
  const before = cpuSeconds(subject.proxies);
  const connects = await subject.load.connects(subject.target, CONNECTING, seconds);
  complain('connect, request, close', connects.errors);
  measured['connects'] = connects.perSecond;
  if (subject.proxies.length > 0 && connects.perSecond > 0)
    measured['cpuConnect'] = ((cpuSeconds(subject.proxies) - before) * 1e6) / (connects.perSecond * seconds);
  return measured;
}

/**
 * Every kind of load once, uncounted: tunnels are open, and code that is compiled while it runs is compiled. What is compared is
 * proxies at work; in the first thousand connections after its start Ambit's rate is about a quarter lower.
 */
export async function warmUp({ load, target }: Subject): Promise<void> {
  await load.requests(target, CONNECTIONS[1], WARM_UP_SECONDS);
  await load.bulk(target, 1, WARM_UP_SECONDS, 'up');
  await load.bulk(target, 1, WARM_UP_SECONDS, 'down');
  await load.connects(target, CONNECTING, WARM_UP_SECONDS);
}

/** Private memory of the larger proxy, and what idle connections add to both. */
export async function measureIdleConnections(
  subject: Subject,
  connections: number,
  problems: Problem[],
): Promise<number> {
  const before = totalPrivateKiB(subject.proxies);
  using idle = await subject.load.idle(subject.target, connections);
  if (idle.errors > 0) problems.push({ subject: subject.name, text: `idle connections: ${idle.errors} errors` });
  return (totalPrivateKiB(subject.proxies) - before) / Math.max(1, idle.open);
}

export function privateMiB(subject: Subject): number {
  return largestMemory(subject.proxies).privateMiB;
}

function totalPrivateKiB(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + largestMemory([pid]).privateMiB * 1024, 0);
}

export interface ResyncFigures {
  readonly name: string;
  readonly quietP50Us: number;
  readonly resyncP50Us: number;
  readonly ratio: number;
}

/**
 * p50 of 16 connections while 100,000 workloads are replaced, against the run just before: the replacement in the middle of several.
 * The first sending only fills the proxies' stores; what is measured is the replacement of all of them.
 */
export async function measureResync(
  subject: Subject,
  relay: RelayClient,
  seconds: number,
  problems: Problem[],
): Promise<ResyncFigures> {
  await relay.replace();
  await subject.load.requests(subject.target, CONNECTIONS[1], seconds);
  const found: ResyncFigures[] = [];
  for (let replacement = 0; replacement < REPLACEMENTS; replacement += 1)
    found.push(await measureReplacement(subject, relay, seconds, problems));
  const [middle] = found.toSorted((a, b) => a.ratio - b.ratio).slice(Math.floor(REPLACEMENTS / 2));
  if (!middle) throw new AmbitError('BENCH_RESYNC', 'no replacement was measured');
  return middle;
}

async function measureReplacement(
  subject: Subject,
  relay: RelayClient,
  seconds: number,
  problems: Problem[],
): Promise<ResyncFigures> {
  await relay.prepare();
  const quiet = await subject.load.requests(subject.target, CONNECTIONS[1], seconds);
  const running = subject.load.requests(subject.target, CONNECTIONS[1], seconds);
  await relay.replace();
  const during = await running;
  if (quiet.errors + during.errors > 0)
    problems.push({ subject: subject.name, text: `resync: ${quiet.errors + during.errors} errors` });
  return { name: subject.name, quietP50Us: quiet.p50Us, resyncP50Us: during.p50Us, ratio: during.p50Us / quiet.p50Us };
}
