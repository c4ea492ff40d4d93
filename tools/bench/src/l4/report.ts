/** The result of a run as a table, as JSON and as a drawing. Pure. */
import type { ChartPanel } from '../bar-chart.ts';
import { barChart, formatFigure } from '../bar-chart.ts';
import { median, medianRatio } from '../statistics.ts';
import { textTable } from '../text-table.ts';
import type { Figure, Measured, Problem } from './figures.ts';
import { figures } from './figures.ts';

export interface BenchResult {
  readonly machine: string;
  readonly date: string;
  readonly rounds: number;
  readonly secondsARun: number;
  /** For each subject the figures of each round. */
  readonly subjects: readonly { readonly name: string; readonly rounds: readonly Measured[] }[];
  /** p50 of 16 connections while 100,000 workloads are sent, against quiet: ratio by subject. */
  readonly resync: readonly {
    readonly name: string;
    readonly quietP50Us: number;
    readonly resyncP50Us: number;
    readonly ratio: number;
  }[];
  readonly problems: readonly Problem[];
}

/** Floors of the project against the Rust ztunnel. */
const GOALS: readonly { readonly key: string; readonly ratio: number; readonly isFloor: boolean }[] = [
  { key: 'requests.16', ratio: 1.4, isFloor: true },
  { key: 'cpu.16', ratio: 0.6, isFloor: false },
  { key: 'up.1', ratio: 1, isFloor: true },
  { key: 'down.1', ratio: 1, isFloor: true },
  { key: 'connects', ratio: 1.2, isFloor: true },
];
const MEMORY_GOAL_MIB = 50;
const RESYNC_GOAL = 1.2;

export function renderTable(result: BenchResult): string {
  const names = result.subjects.map(({ name }) => name);
  const rows = figures.map((figure) => [
    `${figure.title} (${figure.unit})`,
    ...result.subjects.map(({ rounds }) => cell(rounds, figure)),
    ratioToRust(result, figure),
  ]);
  return textTable(
    ['median', ...names, 'ambit / rust'],
    rows.filter((row) => row.slice(1).some((text) => text !== '')),
  );
}

/** One line a goal: reached, missed, or not measured for want of the peer. */
export function renderGoals(result: BenchResult): string {
  const lines = GOALS.map(({ key, ratio, isFloor }) => {
    const found = ratioOf(result, key);
    const title = figures.find((figure) => figure.key === key)?.title ?? key;
    return verdict(title, found, ratio, isFloor ? 'at least' : 'at most', 'times the Rust ztunnel');
  });
  const memory = median(valuesOf(result, 'ambit', 'loadedMiB'));
  lines.push(verdict('private memory after load', memory, MEMORY_GOAL_MIB, 'at most', 'MiB'));
  for (const { name, ratio } of result.resync)
    if (name === 'ambit')
      lines.push(verdict('p50 while 100,000 workloads are sent', ratio, RESYNC_GOAL, 'at most', 'times quiet'));
  return lines.join('\n');
}

function verdict(title: string, found: number, goal: number, bound: 'at least' | 'at most', unit: string): string {
  if (!Number.isFinite(found)) return `not measured  ${title}: ${bound} ${goal} ${unit}`;
  const isReached = bound === 'at least' ? found >= goal : found <= goal;
  return `${isReached ? 'reached     ' : 'missed      '}  ${title}: ${formatFigure(found)} (${bound} ${goal} ${unit})`;
}

export function renderChart(result: BenchResult): string {
  const keys = ['requests.16', 'cpu.16', 'up.1', 'cpuGb.1', 'connects', 'loadedMiB'];
  const panels = keys.flatMap((key): ChartPanel[] => {
    const figure = figures.find((candidate) => candidate.key === key);
    if (!figure) return [];
    const bars = result.subjects
      .map(({ name, rounds }) => ({
        label: name,
        value: median(rounds.flatMap((round) => round[key] ?? [])),
        emphasis: name === 'ambit',
      }))
      .filter((bar) => Number.isFinite(bar.value));
    return bars.length === 0 ? [] : [{ title: figure.title, note: `${figure.unit}, ${figure.better} is better`, bars }];
  });
  return barChart('Ambit at L4: two pods on two nodes of one machine', panels);
}

function cell(rounds: readonly Measured[], figure: Figure): string {
  const value = median(rounds.flatMap((round) => round[figure.key] ?? []));
  return Number.isFinite(value) ? formatFigure(value) : '';
}

function ratioToRust(result: BenchResult, figure: Figure): string {
  const ratio = ratioOf(result, figure.key);
  return Number.isFinite(ratio) ? ratio.toFixed(2) : '';
}

function ratioOf(result: BenchResult, key: string): number {
  return medianRatio(valuesOf(result, 'ambit', key), valuesOf(result, 'rust', key));
}

function valuesOf(result: BenchResult, subject: string, key: string): readonly number[] {
  return result.subjects.find(({ name }) => name === subject)?.rounds.map((round) => round[key] ?? Number.NaN) ?? [];
}
