/** The result of a run as a table, goals, JSON and a drawing. Pure. */
import { barChart, formatFigure } from '../bar-chart.ts';
import { median } from '../statistics.ts';
import { textTable } from '../text-table.ts';
import type { RunFigures } from './measure.ts';
import type { MeshSize } from './mesh-objects.ts';

export interface ControlPlaneResult {
  readonly machine: string;
  readonly date: string;
  readonly size: MeshSize;
  readonly connections: number;
  readonly changesPerSecond: number;
  readonly secondsARun: number;
  readonly rounds: readonly RunFigures[];
}

/** What istiod waits for quiet before it pushes anything. Spec: control-plane.md section 1.4. */
const ISTIOD_DEBOUNCE_MS = 100;

const ROWS: readonly { readonly title: string; readonly unit: string; readonly of: (run: RunFigures) => number }[] = [
  { title: 'start until every client has everything', unit: 's', of: (run) => run.startSeconds },
  { title: 'start until xDS is open', unit: 's', of: (run) => run.readySeconds },
  { title: 'CPU until every client has everything', unit: 's', of: (run) => run.startCpuSeconds },
  { title: 'CPU of all clients until then', unit: 's', of: (run) => run.startClientsCpuSeconds },
  { title: 'full answer to one client', unit: 'MiB', of: (run) => run.fullAnswerMiB },
  { title: 'a change at the API server, p50', unit: 'ms', of: (run) => run.written.p50 },
  { title: 'a change at the API server, p99', unit: 'ms', of: (run) => run.written.p99 },
  { title: 'a change at a client, p50', unit: 'ms', of: (run) => run.latency.each.p50 },
  { title: 'a change at a client, p99', unit: 'ms', of: (run) => run.latency.each.p99 },
  { title: 'a change at the last client, p50', unit: 'ms', of: (run) => run.latency.last.p50 },
  { title: 'a change at the last client, p99', unit: 'ms', of: (run) => run.latency.last.p99 },
  { title: 'responses', unit: 'a second', of: (run) => run.messagesPerSecond },
  { title: 'CPU of the control plane for a response', unit: 'us', of: (run) => run.usPerResponse },
  { title: 'CPU of the control plane meanwhile', unit: 'cores', of: (run) => run.changesCpu },
  { title: 'CPU of all clients meanwhile', unit: 'cores', of: (run) => run.clientsCpu },
  { title: 'memory of an empty control plane', unit: 'MiB', of: (run) => run.baseline.emptyMiB },
  { title: 'memory with all clients, no workloads', unit: 'MiB', of: (run) => run.baseline.clients.settledMiB },
  { title: 'memory right after everything was served', unit: 'MiB', of: (run) => run.loaded.freshMiB },
  { title: 'memory with everything served', unit: 'MiB', of: (run) => run.loaded.settledMiB },
  { title: 'memory right after the changes', unit: 'MiB', of: (run) => run.afterMiB },
  { title: 'memory a workload, garbage of the start included', unit: 'KiB', of: (run) => run.freshKibPerWorkload },
  { title: 'memory a workload', unit: 'KiB', of: (run) => run.kibPerWorkload },
  { title: 'memory a client', unit: 'KiB', of: (run) => run.kibPerClient },
  { title: 'load of the machine', unit: 'processes', of: (run) => run.load },
];

const GOALS: readonly {
  readonly title: string;
  readonly limit: number;
  readonly unit: string;
  readonly of: (run: RunFigures) => number;
}[] = [
  { title: 'start until every client has everything', limit: 30, unit: 's', of: (run) => run.startSeconds },
  { title: 'a change at every client, p99', limit: 100, unit: 'ms', of: (run) => run.latency.each.p99 },
  { title: 'memory a workload', limit: 4, unit: 'KiB', of: (run) => run.kibPerWorkload },
];

export function renderTable(result: ControlPlaneResult): string {
  const header = ['', ...result.rounds.map((_, index) => `round ${index + 1}`), 'median'];
  const rows = ROWS.map(({ title, unit, of }) => {
    const values = result.rounds.map(of);
    return [`${title} (${unit})`, ...values.map(formatFigure), formatFigure(median(values))];
  });
  return textTable(header, rows);
}

/** One line a goal, and what was lost. */
export function renderGoals(result: ControlPlaneResult): string {
  const lines = GOALS.map(({ title, limit, unit, of }) => {
    const found = median(result.rounds.map(of));
    return `${found <= limit ? 'reached     ' : 'missed      '}  ${title}: ${formatFigure(found)} ${unit} (at most ${limit})`;
  });
  for (const { latency, changesMade, problems } of result.rounds) {
    if (latency.complete < changesMade) {
      lines.push(`problem: ${changesMade - latency.complete} of ${changesMade} changes did not reach every client`);
    }
    for (const problem of problems) lines.push(`problem: ${problem}`);
  }
  return lines.join('\n');
}

export function renderChart(result: ControlPlaneResult): string {
  const of = (read: (run: RunFigures) => number): number => median(result.rounds.map(read));
  const bar = (label: string, value: number, emphasis: boolean) => ({ label, value, emphasis });
  const { pods, services, policies } = result.size;
  const clients = result.size.nodes;
  return barChart(`Control plane: ${pods} pods, ${services} services, ${policies} policies, ${clients} clients`, [
    {
      title: 'Start until every client has everything',
      note: 's, less is better',
      bars: [
        bar('goal', 30, false),
        bar(
          'xDS open',
          of((run) => run.readySeconds),
          true,
        ),
        bar(
          'all served',
          of((run) => run.startSeconds),
          true,
        ),
      ],
    },
    {
      title: `A pod change at a client, ${result.changesPerSecond} changes a second`,
      note: 'ms, less is better; istiod waits 100 ms before it pushes',
      bars: [
        bar('istiod waits', ISTIOD_DEBOUNCE_MS, false),
        bar(
          'p50',
          of((run) => run.latency.each.p50),
          true,
        ),
        bar(
          'p99',
          of((run) => run.latency.each.p99),
          true,
        ),
        bar(
          'p99, last',
          of((run) => run.latency.last.p99),
          true,
        ),
      ],
    },
    {
      title: 'Memory a workload beyond the baseline',
      note: 'KiB, less is better',
      bars: [
        bar('goal', 4, false),
        bar(
          'ambit',
          of((run) => run.kibPerWorkload),
          true,
        ),
      ],
    },
    {
      title: 'CPU under constant change',
      note: 'cores, less is better',
      bars: [
        bar(
          'control plane',
          of((run) => run.changesCpu),
          true,
        ),
        bar(
          'all clients',
          of((run) => run.clientsCpu),
          false,
        ),
      ],
    },
  ]);
}
