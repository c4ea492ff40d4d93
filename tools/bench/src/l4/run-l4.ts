/** Sets the subjects up, measures them in alternating rounds, and reports. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { buildLoadTool } from '../load-tool.ts';
import type { Measured, Problem, ResyncFigures } from './figures.ts';
import { measureIdleConnections, measureResync, measureRound, privateMiB, warmUp } from './figures.ts';
import { describeMachine } from './lab-client.ts';
import type { BenchResult } from './report.ts';
import { renderChart, renderGoals, renderTable } from './report.ts';
import type { Subject, SubjectName } from './subjects.ts';
import { setUpSubjects } from './subjects.ts';

export interface L4Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly idleConnections: number;
  readonly subjects: ReadonlySet<SubjectName>;
  /** Program of the Rust ztunnel; undefined leaves it out. */
  readonly rustProgram: string | undefined;
  readonly jsonFile: string;
  readonly svgFile: string;
  readonly write: (text: string) => void;
  /** Takes everything down again. */
  readonly stack: AsyncDisposableStack;
}

export async function runL4(options: L4Options): Promise<void> {
  const { rounds, seconds, write, stack } = options;
  const subjects = await setUpSubjects(options.subjects, options.rustProgram, await buildLoadTool(), stack, (line) =>
    write(`${line}\n`),
  );
  const results = new Map<Subject, Measured[]>(subjects.map((subject) => [subject, []]));
  const problems: Problem[] = [];
  const idle = new Map(subjects.map((subject) => [subject, privateMiB(subject)]));
  for (const subject of subjects) {
    write(`warm-up: ${subject.name}\n`);
    await warmUp(subject);
  }
  for (let round = 1; round <= rounds; round += 1) {
    // Another order each round, so that no subject always runs behind the same neighbour.
    for (const subject of rotated(subjects, round)) {
      write(`round ${round} of ${rounds}: ${subject.name}\n`);
      const measured = await measureRound(subject, seconds, problems);
      if (subject.proxies.length > 0) {
        measured['loadedMiB'] = privateMiB(subject);
        measured['idleMiB'] = idle.get(subject) ?? Number.NaN;
      }
      results.get(subject)?.push(measured);
    }
  }
  for (const [subject, measured] of results) {
    const last = measured.at(-1);
    if (last && subject.proxies.length > 0)
      last['connectionKiB'] = await measureIdleConnections(subject, options.idleConnections, problems);
  }
  const resync: ResyncFigures[] = [];
  for (const subject of subjects) {
    if (!subject.relay) continue;
    write(`100,000 workloads are replaced: ${subject.name}\n`);
    resync.push(await measureResync(subject, subject.relay, Math.max(4, seconds), problems));
  }
  const result: BenchResult = {
    machine: await describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    rounds,
    secondsARun: seconds,
    subjects: [...results].map(([subject, measured]) => ({ name: subject.name, rounds: measured })),
    resync,
    problems,
  };
  report(result, options);
}

function report(result: BenchResult, { jsonFile, svgFile, write }: L4Options): void {
  for (const file of [jsonFile, svgFile]) mkdirSync(dirname(file), { recursive: true });
  writeFileSync(jsonFile, `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(svgFile, renderChart(result));
  write(
    `\n${result.machine}, ${result.date}, ${result.rounds} rounds of ${result.secondsARun} s a run\n\n${renderTable(result)}\n\n${renderGoals(result)}\n`,
  );
  for (const { subject, text } of result.problems) write(`problem: ${subject}: ${text}\n`);
  write(`\nwritten: ${jsonFile}\nwritten: ${svgFile}\n`);
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}
