/** Rings whose files run one after the other, in an environment of their own. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runChild } from './child.ts';
import { EMPTY_SUMMARY, parseSummary, type TestSummary } from './test-summary.ts';

export interface SerialOptions {
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Puts the command into the place where it has to run. */
  readonly enter?: (argv: readonly string[]) => readonly string[];
}

/** Runs the files; a run that ends without counts is a failure. */
export async function runSerial(
  root: string,
  ring: string,
  files: readonly string[],
  { execArgv = [], env = {}, enter = (argv) => argv }: SerialOptions = {},
): Promise<TestSummary> {
  if (files.length === 0) return EMPTY_SUMMARY;
  const summaryFile = join(root, `.cache/tests/${ring}.json`);
  rmSync(summaryFile, { force: true });
  const runner = join(import.meta.dirname, 'serial.ts');
  const [program = '', ...args] = enter([process.execPath, ...execArgv, runner, summaryFile, ...files]);
  const code = await runChild(program, args, { cwd: root, env });
  if (!existsSync(summaryFile))
    return failRing(EMPTY_SUMMARY, `the ${ring} ring ended with exit code ${code} without counts`);
  return parseSummary(readFileSync(summaryFile, 'utf8'));
}

/** Counts files as skipped, all for one reason. */
export function skipFiles(root: string, files: readonly string[], reason: string): TestSummary {
  return { ...EMPTY_SUMMARY, skipped: files.map((file) => ({ name: relative(root, file), reason })) };
}

/** Adds a failure that is no test's own. */
export function failRing(summary: TestSummary, failure: string): TestSummary {
  return { ...summary, failed: summary.failed + 1, failures: [...summary.failures, failure] };
}
