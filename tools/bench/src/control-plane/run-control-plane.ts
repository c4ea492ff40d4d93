/** Sets a cluster up, measures, and reports. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeMachine } from '../l4/lab-client.ts';
import { ApiServerCluster } from './api-server-cluster.ts';
import { runBesideApiServer } from './api-server-lab.ts';
import type { BenchCluster, ClusterKind } from './cluster.ts';
import { measureBaseline, measureRun, type RunFigures } from './measure.ts';
import type { MeshSize } from './mesh-objects.ts';
import { type ControlPlaneResult, renderChart, renderGoals, renderTable } from './report.ts';
import { StandInCluster } from './stand-in-cluster.ts';

export interface ControlPlaneBenchOptions {
  readonly cluster: ClusterKind;
  /** Of a real API server that has no pods; one is made for the run when left out. */
  readonly kubeconfig: string | undefined;
  readonly size: MeshSize;
  readonly connections: number;
  readonly changesPerSecond: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly nodeArguments: readonly string[];
  readonly jsonFile: string;
  readonly svgFile: string;
  readonly write: (text: string) => void;
  /** Takes everything down again. */
  readonly stack: AsyncDisposableStack;
}

export async function runControlPlane(options: ControlPlaneBenchOptions): Promise<void> {
  const { size, connections, changesPerSecond, seconds, rounds, nodeArguments, write, stack } = options;
  const tell = (line: string): void => write(`${line}\n`);
  const run = { size, connections, changesPerSecond, seconds, nodeArguments, tell };
  if (options.cluster === 'api-server' && options.kubeconfig === undefined) return runBesideApiServer(stack, tell);
  const cluster = stack.use(await start(options));
  await cluster.loadNodes(tell);
  const tokens = await cluster.tokens();
  const baseline = await measureBaseline(cluster, tokens, run);
  tell(
    `empty control plane: ${baseline.emptyMiB.toFixed(0)} MiB, with clients ${baseline.clients.settledMiB.toFixed(0)} MiB`,
  );
  await cluster.loadRest(tell);
  const figures: RunFigures[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    tell(`round ${round} of ${rounds}`);
    figures.push(await measureRun(cluster, tokens, baseline, run));
  }
  const result: ControlPlaneResult = {
    machine: await describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    size,
    connections,
    changesPerSecond,
    secondsARun: seconds,
    rounds: figures,
  };
  report(result, options);
}

function start({ size, kubeconfig }: ControlPlaneBenchOptions): Promise<BenchCluster> {
  return kubeconfig === undefined ? StandInCluster.start(size) : ApiServerCluster.at(size, kubeconfig);
}

function report(result: ControlPlaneResult, { jsonFile, svgFile, write }: ControlPlaneBenchOptions): void {
  for (const file of [jsonFile, svgFile]) mkdirSync(dirname(file), { recursive: true });
  writeFileSync(jsonFile, `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(svgFile, renderChart(result));
  const { machine, date, connections, changesPerSecond } = result;
  const how = `${connections} TLS connections, ${changesPerSecond} changes a second`;
  write(`\n${machine}, ${date}, ${how}\n\n${renderTable(result)}\n\n${renderGoals(result)}\n`);
  write(`\nwritten: ${jsonFile}\nwritten: ${svgFile}\n`);
}
