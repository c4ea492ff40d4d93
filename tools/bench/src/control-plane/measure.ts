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
  readonly clientsMiB: number;
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
  readonly startClientsCpuSeconds: number;
  readonly baseline: Baseline;
  readonly loadedMiB: number;
  readonly afterMiB: number;
  readonly kibPerWorkload: number;
  readonly kibPerClient: number;
  readonly load: number;
  readonly problems: readonly string[];
}

const PORTS = { port: 26_012, httpPort: 26_080, metricsPort: 26_014 };

/** Private memory of a process that was left alone for some seconds, so that garbage is collected. */
async function settledMiB(controlPlane: ControlPlaneProcess): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let unchanged = 0; unchanged < 6;) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    controlPlane.check();
    const { privateMiB } = largestMemory([controlPlane.pid]);
    unchanged = privateMiB < least - 1 ? 0 : unchanged + 1;
    least = Math.min(least, privateMiB);
  }
  return least;
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
  const emptyMiB = await settledMiB(controlPlane);
  await clients.connect({ port: PORTS.port, tokens, connections, rootsPem: controlPlane.rootsPem }, tell);
  return { emptyMiB, clientsMiB: await settledMiB(controlPlane) };
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
  const loadedMiB = await settledMiB(controlPlane);

  const cpuBefore = [cpuSeconds([pid]), cpuSeconds([clients.pid])] as const;
  clients.reset();
  const written = await makeChanges(cluster, size, changesPerSecond, seconds);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const latency = await clients.report();
  const elapsed = seconds + 1;
  const changesCpu = (cpuSeconds([pid]) - cpuBefore[0]) / elapsed;
  const clientsCpu = (cpuSeconds([clients.pid]) - cpuBefore[1]) / elapsed;
  const afterMiB = await settledMiB(controlPlane);
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
    startClientsCpuSeconds,
    baseline,
    loadedMiB,
    afterMiB,
    kibPerWorkload: ((loadedMiB - baseline.clientsMiB) * 1024) / (size.pods - size.nodes),
    kibPerClient: ((baseline.clientsMiB - baseline.emptyMiB) * 1024) / size.nodes,
    load: loadavg()[0] ?? Number.NaN,
    // A copy: when the control plane is stopped now, every stream ends.
    problems: [...clients.problems],
  };
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
