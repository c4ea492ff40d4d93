/** Runs test files with node:test, one process each, prints what failed, and counts. */
import { relative } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import { EMPTY_SUMMARY, type SkippedTest, type TestSummary } from './test-summary.ts';

/** How to run. */
export interface TestRunOptions {
  readonly root: string;
  readonly files: readonly string[];
  /** Files at a time. */
  readonly concurrency: number;
  /** For one file; a file that takes longer has failed. */
  readonly timeoutMs: number;
  readonly execArgv?: readonly string[];
  readonly write: (text: string) => void;
}

/** What node:test says of a test, as far as it is used here. */
interface TestEvent {
  readonly name: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: { readonly type?: string | undefined; readonly error?: Error | undefined };
}

/** Runs the files. Tests are counted, suites are not; `todo` counts as skipped. */
export async function runTestFiles(options: TestRunOptions): Promise<TestSummary> {
  const { root, files, concurrency, timeoutMs, execArgv = [], write } = options;
  if (files.length === 0) return EMPTY_SUMMARY;
  let passed = 0;
  const failures: string[] = [];
  const skipped: SkippedTest[] = [];
  const output = new Map<string, string[]>();
  const place = (file: string | undefined): string => (file === undefined ? '' : relative(root, file));
  const keep = ({ file, message }: { file: string; message: string }): void => {
    const lines = output.get(file) ?? [];
    output.set(file, lines);
    // Enough to see why a test failed; a test that prints without end must not fill the memory.
    if (lines.length < 500) lines.push(message);
  };

  const stream = run({
    files: [...files],
    concurrency,
    timeout: timeoutMs,
    isolation: 'process',
    execArgv: [...execArgv],
  });
  stream.on('test:stdout', keep);
  stream.on('test:stderr', keep);
  stream.on('test:pass', (event: TestEvent) => {
    const skip = event.skip ?? event.todo;
    if (skip !== undefined && skip !== false) {
      skipped.push({
        name: `${place(event.file)}: ${event.name}`,
        reason: typeof skip === 'string' ? skip : 'no reason',
      });
    } else if (event.details.type !== 'suite') {
      passed += 1;
    }
  });
  stream.on('test:fail', (event: TestEvent) => {
    // A suite fails because a test in it did; a failing hook shows as failed tests.
    if (event.details.type === 'suite' && isSubtestFailure(event.details.error)) return;
    if (isSubtestFailure(event.details.error)) return;
    failures.push(`${place(event.file)}: ${event.name}`);
    write(
      `not ok: ${event.name}\n  ${place(event.file)}:${event.line ?? 1}\n${indent(describe(event.details.error))}\n`,
    );
    const lines = event.file === undefined ? undefined : output.get(event.file);
    if (lines !== undefined) write(`  output of the file:\n${indent(lines.join('').slice(-8000))}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    stream.on('end', resolve);
    stream.on('error', reject);
    stream.resume();
  });
  return { passed, failed: failures.length, skipped, failures };
}

function isSubtestFailure(error: Error | undefined): boolean {
  return error !== undefined && 'failureType' in error && error.failureType === 'subtestsFailed';
}

function describe(error: Error | undefined): string {
  if (error === undefined) return 'no error given';
  const cause = error.cause;
  return cause instanceof Error ? inspect(cause, { depth: 4 }) : inspect(cause ?? error.message, { depth: 4 });
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
