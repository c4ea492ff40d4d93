/** The baseline: control planes of an empty mesh. One run: a full one, its clients, and changes at a constant rate. */
import { loadavg } from 'node:os';
import { toAmbitError } from '@ambit/runtime';
import { cpuSeconds, largestMemory } from '../process-usage.ts';
import { ClientsProcess } from './clients-process.ts';
import { type LatencyReport, nowUs, type Percentiles, timeMark } from './client-messages.ts';
import type { BenchCluster, ClusterKind } from './cluster.ts';
import { ControlPlaneProcess } from './control-plane-process.ts';
import { LatencyHistogram, percentiles } from './latency-histogram.ts';
import type { MeshSize } from './mesh-objects.ts';

export interface RunOptions {
  readonly size: MeshSize;
  readonly connections: number;
  readonly changesPerSecond: number;
  readonly seconds: number;
  readonly nodeArguments: readonly string[];
  readonly tell: (line: string) => void;
}

/** What the control plane of an empty mesh needs. */
export interface Baseline {
  readonly emptyMiB: number;
  /** With all clients, and the node proxies as only workloads. */
  readonly clients: RestingMemory;
}

export interface RunFigures {
  readonly cluster: ClusterKind;
  /** From the start of the process until the last client had everything, and until the port was open. */
  readonly startSeconds: number;
  readonly readySeconds: number;
  readonly startCpuSeconds: number;
  readonly fullAnswerMiB: number;
  readonly addresses: number;
  readonly latency: LatencyReport;
  /** Until the API server had each change: part of every latency. */
  readonly written: Percentiles;
  readonly changesMade: number;
  /** Part of a CPU while changes were made. */
  readonly changesCpu: number;
  readonly clientsCpu: number;
  readonly messagesPerSecond: number;
  /** All it did meanwhile, shared out. */
  readonly usPerResponse: number;
  readonly startClientsCpuSeconds: number;
  readonly baseline: Baseline;
  readonly loaded: RestingMemory;
  /** Six seconds after the changes. */
  readonly afterMiB: number;
  /** Beyond the baseline, both when their garbage is collected. */
  readonly kibPerWorkload: number;
  /** The same with the garbage of the start. */
  readonly freshKibPerWorkload: number;
  readonly kibPerClient: number;
  readonly load: number;
  readonly problems: readonly string[];
}

/** V8 goes on compiling what changes need for some ten seconds, on the same two cores. */
const WARM_UP_SECONDS = 15;
const PORTS = { port: 26_012, httpPort: 26_080, metricsPort: 26_014 };

/** Memory of a process that is left alone: at first, with the garbage of what it did, and when that is collected. */
export interface RestingMemory {
  readonly freshMiB: number;
  readonly settledMiB: number;
}

/** The program collects itself within 20 s of quiet, and V8 keeps free pages for another 8 s. */
const STEP_SECONDS = 35;
const FRESH_SECONDS = 6;
const LONGEST_SECONDS = 90;

/** Private memory of a process. Nothing from outside forces a collection. */
async function restingMemory(controlPlane: ControlPlaneProcess): Promise<RestingMemory> {
  let freshMiB = Number.POSITIVE_INFINITY;
  let least = Number.POSITIVE_INFINITY;
  let unchanged = 0;
  for (let second = 1; second <= LONGEST_SECONDS && unchanged < STEP_SECONDS; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    controlPlane.check();
    const { privateMiB } = largestMemory([controlPlane.pid]);
    unchanged = privateMiB < least - 1 ? 0 : unchanged + 1;
    least = Math.min(least, privateMiB);
    if (second <= FRESH_SECONDS) freshMiB = least;
  }
  return { freshMiB, settledMiB: least };
}

/** The cluster has its nodes, and no pods but the node proxies. */
export async function measureBaseline(
  cluster: BenchCluster,
  tokens: readonly string[],
  { nodeArguments, connections, tell }: RunOptions,
): Promise<Baseline> {
  const { kubeconfig } = cluster;
  await using clients = ClientsProcess.start();
  await using controlPlane = ControlPlaneProcess.start({ kubeconfig, ...PORTS, nodeArguments });
  await controlPlane.ready(PORTS.httpPort);
  const { settledMiB: emptyMiB } = await restingMemory(controlPlane);
  await clients.connect({ port: PORTS.port, tokens, connections, rootsPem: controlPlane.rootsPem }, tell);
  return { emptyMiB, clients: await restingMemory(controlPlane) };
}

export async function measureRun(
  cluster: BenchCluster,
  tokens: readonly string[],
  baseline: Baseline,
  options: RunOptions,
): Promise<RunFigures> {
  const { size, connections, changesPerSecond, seconds, nodeArguments, tell } = options;
  await using clients = ClientsProcess.start();
  const startMs = performance.now();
  await using controlPlane = ControlPlaneProcess.start({ kubeconfig: cluster.kubeconfig, ...PORTS, nodeArguments });
  const { pid, rootsPem } = controlPlane;
  const since = (): number => (performance.now() - startMs) / 1000;
  const serving = clients.connect({ port: PORTS.port, tokens, connections, rootsPem }, tell);
  serving.catch((error: unknown) => tell(`a client failed: ${toAmbitError(error).message}`));
  await controlPlane.ready(PORTS.httpPort);
  const readySeconds = since();
  const served = await serving;
  const startSeconds = since();
  const startCpuSeconds = cpuSeconds([pid]);
  const startClientsCpuSeconds = cpuSeconds([clients.pid]);
  tell(`served after ${startSeconds.toFixed(1)} s (open after ${readySeconds.toFixed(1)} s)`);
  const loaded = await restingMemory(controlPlane);

  // A mesh that changes all the time is measured, not the first seconds of a program.
  await makeChanges(cluster, size, changesPerSecond, WARM_UP_SECONDS);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const cpuBefore = [cpuSeconds([pid]), cpuSeconds([clients.pid])] as const;
  clients.reset();
  const written = await makeChanges(cluster, size, changesPerSecond, seconds);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const latency = await clients.report();
  const elapsed = seconds + 1;
  const changesCpu = (cpuSeconds([pid]) - cpuBefore[0]) / elapsed;
  const clientsCpu = (cpuSeconds([clients.pid]) - cpuBefore[1]) / elapsed;
  const { freshMiB: afterMiB } = await restingMemory(controlPlane);
  return {
    cluster: cluster.kind,
    startSeconds,
    readySeconds,
    startCpuSeconds,
    fullAnswerMiB: served.bytes / tokens.length / 1024 / 1024,
    addresses: served.addresses,
    latency,
    written,
    changesMade: changesPerSecond * seconds,
    changesCpu,
    clientsCpu,
    messagesPerSecond: latency.messages / seconds,
    usPerResponse: (changesCpu * elapsed * 1e6) / latency.messages,
    startClientsCpuSeconds,
    baseline,
    loaded,
    afterMiB,
    kibPerWorkload: kibEach(loaded.settledMiB - baseline.clients.settledMiB, size.pods - size.nodes),
    freshKibPerWorkload: kibEach(loaded.freshMiB - baseline.clients.freshMiB, size.pods - size.nodes),
    kibPerClient: kibEach(baseline.clients.settledMiB - baseline.emptyMiB, size.nodes),
    load: loadavg()[0] ?? Number.NaN,
    // A copy: when the control plane is stopped now, every stream ends.
    problems: [...clients.problems],
  };
}

function kibEach(mib: number, count: number): number {
  return (mib * 1024) / count;
}

/** Marks pods one after the other at a constant rate, whatever the answers take; resolves with how long those took. */
async function makeChanges(
  cluster: BenchCluster,
  size: MeshSize,
  perSecond: number,
  seconds: number,
): Promise<Percentiles> {
  const written = new LatencyHistogram();
  const pods = size.pods - size.nodes;
  const startMs = performance.now();
  const pending: Promise<void>[] = [];
  for (let made = 0; made < perSecond * seconds; made += 1) {
    const waitMs = startMs + (made * 1_000) / perSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const us = nowUs();
    // A stride that is no divisor spreads the changes over services and nodes.
    const marked = cluster.mark((made * 7_919) % pods, timeMark(us));
    pending.push(marked.then(() => written.add((nowUs() - us) / 1000)));
  }
  await Promise.all(pending);
  return percentiles(written);
}
