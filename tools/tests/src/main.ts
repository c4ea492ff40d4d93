/**
 * `npm test [-- --ring NAME ...]`: runs the rings, prints each, ends with `N passed, N failed, N skipped`.
 * Exit code 0 when nothing failed, 1 otherwise, 64 for a wrong argument.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RINGS } from './rings.ts';
import { mergeSummaries, summaryLine, type TestSummary } from './test-summary.ts';

const root = join(import.meta.dirname, '../../..');
const { values } = parseArgs({ options: { ring: { type: 'string', multiple: true } } });
const unknown = values.ring?.find((name) => !RINGS.some((ring) => ring.name === name));
if (unknown !== undefined) {
  process.stderr.write(`no ring ${unknown}; there are ${RINGS.map((ring) => ring.name).join(', ')}\n`);
  process.exit(64);
}

let isStopped = false;
process.on('SIGINT', () => (isStopped = true)).on('SIGTERM', () => (isStopped = true));
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;
const start = performance.now();
const results: { name: string; summary: TestSummary; took: string }[] = [];
for (const ring of RINGS) {
  if (isStopped || (values.ring !== undefined && !values.ring.includes(ring.name))) continue;
  process.stdout.write(`\n== ${ring.name}: ${ring.what}\n`);
  const begun = performance.now();
  results.push({ name: ring.name, summary: await ring.run(root), took: seconds(begun) });
}

const total = mergeSummaries(results.map((result) => result.summary));
process.stdout.write('\n');
for (const { name, summary, took } of results) {
  process.stdout.write(`${name.padEnd(10)} ${summaryLine(summary)} in ${took}\n`);
}
for (const failure of total.failures) process.stdout.write(`failed: ${failure}\n`);
for (const { name, reason } of total.skipped) process.stdout.write(`skipped: ${name} (${reason})\n`);
process.stdout.write(`total time ${seconds(start)}${isStopped ? ', interrupted' : ''}\n`);
process.stdout.write(`${summaryLine(total)}\n`);
process.exitCode = isStopped ? 130 : total.failed > 0 ? 1 : 0;
