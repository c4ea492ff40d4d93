/** The result as a table, goals, JSON and a drawing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { barChart, type ChartPanel, formatFigure } from '../bar-chart.ts';
import { describeMachine } from '../l4/lab-client.ts';
import { median, medianRatio } from '../statistics.ts';
import { textTable } from '../text-table.ts';
import type { RouteUpdateFigures } from './route-updates.ts';

/** One kind of load. */
export interface Shape {
  readonly key: string;
  readonly title: string;
  readonly service: 'web' | 'many' | 'grpc';
  readonly path: string;
  readonly version: 1 | 2;
  /** gRPC: one message each way. */
  readonly isGrpc?: boolean;
  readonly connections: number;
}

/** Figures of one shape in one round. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Us: number;
  /** Of the waypoint alone. */
  readonly cpuUs: number;
  /** Of all else on the machine: client, node proxy, server, and whatever else runs. */
  readonly othersCpuUs: number;
}

/** Resident memory of the waypoint. */
export interface MemoryFigures {
  readonly name: string;
  readonly idleMiB: number;
  readonly loadedMiB: number;
}

interface MeasuredSubject {
  readonly name: string;
  readonly rounds: ReadonlyMap<string, readonly Measured[]>;
}

interface ReportOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly jsonFile: string;
  readonly svgFile: string;
  readonly write: (text: string) => void;
}

const figures = [
  { key: 'perSecond', title: 'requests/s', note: 'a second, more is better' },
  { key: 'p50Us', title: 'p50', note: 'microseconds, less is better' },
  { key: 'cpuUs', title: 'CPU a request', note: 'microseconds, less is better' },
  { key: 'othersCpuUs', title: 'CPU of all else a request', note: 'microseconds' },
] as const;

export async function reportL7(
  options: ReportOptions,
  shapes: readonly Shape[],
  subjects: readonly MeasuredSubject[],
  memory: readonly MemoryFigures[],
  routeUpdates: readonly RouteUpdateFigures[],
  problems: readonly string[],
): Promise<void> {
  const { write, jsonFile, svgFile, rounds, seconds } = options;
  const machine = await describeMachine();
  const values = (name: string, shape: string, figure: keyof Measured): readonly number[] =>
    subjects
      .find((subject) => subject.name === name)
      ?.rounds.get(shape)
      ?.map((measured) => measured[figure]) ?? [];
  const ratio = (shape: string, figure: keyof Measured): number =>
    medianRatio(values('ambit', shape, figure), values('envoy', shape, figure));
  const names = subjects.map(({ name }) => name);
  const rows = shapes.flatMap((shape) =>
    figures.map((figure) => [
      `${shape.title}: ${figure.title}`,
      ...names.map((name) => formatFigure(median(values(name, shape.key, figure.key)))),
      Number.isFinite(ratio(shape.key, figure.key)) ? ratio(shape.key, figure.key).toFixed(2) : '',
    ]),
  );
  const memoryRow = (title: string, figure: 'idleMiB' | 'loadedMiB'): readonly string[] => [
    title,
    ...names.map((name) => formatFigure(memory.find((one) => one.name === name)?.[figure] ?? Number.NaN)),
    '',
  ];
  rows.push([...memoryRow('resident MiB, idle', 'idleMiB')], [...memoryRow('resident MiB, after load', 'loadedMiB')]);
  const table = textTable(['median', ...names, 'ambit / envoy'], rows);
  const panels = shapes.map((shape): ChartPanel => ({
    title: shape.title,
    note: 'CPU microseconds of the waypoint a request, less is better',
    bars: names
      .filter((name) => values(name, shape.key, 'cpuUs').length > 0)
      .map((name) => ({
        label: name,
        value: median(values(name, shape.key, 'cpuUs')),
        emphasis: name === 'ambit',
      })),
  }));
  for (const file of [jsonFile, svgFile]) mkdirSync(dirname(file), { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  const result = {
    machine,
    date,
    rounds,
    secondsARun: seconds,
    subjects: subjects.map((subject) => ({ name: subject.name, rounds: Object.fromEntries(subject.rounds) })),
    memory,
    routeUpdates,
    problems,
  };
  writeFileSync(jsonFile, `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(svgFile, barChart('Ambit at L7: a waypoint behind a node proxy', panels));
  write(`\n${machine}, ${date}, ${rounds} rounds of ${seconds} s a run\n\n${table}\n\n`);
  write(`${goals(ratio('h1-16', 'cpuUs'), ratio('h1-16', 'perSecond'), memory, routeUpdates)}\n`);
  for (const shape of shapes) {
    const others = median(values('envoy', shape.key, 'othersCpuUs'));
    const bound = (others + median(values('envoy', shape.key, 'cpuUs'))) / others;
    if (!Number.isFinite(bound)) continue;
    write(`${shape.title}: with a waypoint that costs nothing, ${bound.toFixed(2)} times Envoy's requests/s\n`);
  }
  for (const problem of problems) write(`problem: ${problem}\n`);
  write(`\nwritten: ${jsonFile}\nwritten: ${svgFile}\n`);
}

/** Floors of the project against Envoy. */
function goals(
  cpu: number,
  perSecond: number,
  memory: readonly MemoryFigures[],
  routeUpdates: readonly RouteUpdateFigures[],
): string {
  const loaded = memory.find(({ name }) => name === 'ambit')?.loadedMiB ?? Number.NaN;
  const line = (title: string, found: number, isReached: boolean, goal: string): string =>
    Number.isFinite(found)
      ? `${isReached ? 'reached' : 'missed '}  ${title}: ${formatFigure(found)} (${goal})`
      : `not measured  ${title} (${goal})`;
  return [
    line('CPU a request, 16 connections', cpu, cpu <= 0.6, "at most 0.6 times Envoy's"),
    line('requests/s, 16 connections', perSecond, perSecond >= 1.5, "at least 1.5 times Envoy's"),
    line('resident MiB with 1,000 routes after load', loaded, loaded <= 120, 'at most 120'),
    ...routeUpdates.flatMap(({ updates, perSecond, p50Ms, p99Ms, requests, failures }) => {
      const load = perSecond === 0 ? 'as much load as can be' : `${perSecond} requests/s`;
      const title = `p99 ms until a change of a route is live at ${load}, ${updates} changes, p50 ${formatFigure(p50Ms)}`;
      return [
        line(title, p99Ms, p99Ms <= 50, 'at most 50'),
        line(`requests that failed meanwhile, of ${requests}`, failures, failures === 0, 'none'),
      ];
    }),
  ].join('\n');
}
