/**
 * The `test` target of every project, run by Nx in the project's folder: unit tests of the project. Writes the counts to
 * `.cache/tests/unit/PROJECT-FOLDER.json`, which Nx keeps with the cached result.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runTestFiles } from './run-test-files.ts';
import { summaryLine } from './test-summary.ts';
import { testFiles } from './test-files.ts';

const root = join(import.meta.dirname, '../../..');
const project = relative(root, process.cwd());
const summaryFile = join(root, '.cache/tests/unit', `${project}.json`);
const start = performance.now();
const summary = await runTestFiles({
  root,
  files: testFiles(root, project, 'unit'),
  concurrency: 2,
  timeoutMs: 120_000,
  write: (text) => process.stdout.write(text),
});
mkdirSync(dirname(summaryFile), { recursive: true });
writeFileSync(summaryFile, JSON.stringify(summary));
process.stdout.write(`${project}: ${summaryLine(summary)} in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
process.exitCode = summary.failed > 0 ? 1 : 0;
