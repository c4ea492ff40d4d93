/**
 * Runs given test files one after the other in this process's environment and writes the counts:
 * `node serial.ts SUMMARY-FILE FILE ...`. Used for rings that need another environment than the runner's own.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runTestFiles } from './run-test-files.ts';

const [summaryFile = '', ...files] = process.argv.slice(2);
const summary = await runTestFiles({
  root: join(import.meta.dirname, '../../..'),
  files,
  concurrency: 1,
  timeoutMs: 600_000,
  execArgv: process.execArgv,
  write: (text) => process.stdout.write(text),
});
mkdirSync(dirname(summaryFile), { recursive: true });
writeFileSync(summaryFile, JSON.stringify(summary));
process.exitCode = summary.failed > 0 ? 1 : 0;
