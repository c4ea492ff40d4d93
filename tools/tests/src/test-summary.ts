/** What a run of tests came to, and how it is kept and added up. Pure. */

/** A skipped test, or a ring or file that could not run. */
export interface SkippedTest {
  readonly name: string;
  readonly reason: string;
}

/** Counts of one run. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly SkippedTest[];
  /** `file: test name` of each failure. */
  readonly failures: readonly string[];
}

/** Nothing ran. */
export const EMPTY_SUMMARY: TestSummary = { passed: 0, failed: 0, skipped: [], failures: [] };

/** Adds summaries up. */
export function mergeSummaries(summaries: readonly TestSummary[]): TestSummary {
  return {
    passed: summaries.reduce((sum, one) => sum + one.passed, 0),
    failed: summaries.reduce((sum, one) => sum + one.failed, 0),
    skipped: summaries.flatMap((one) => one.skipped),
    failures: summaries.flatMap((one) => one.failures),
  };
}

/** The line that ends a run of tests; tools read it. */
export function summaryLine({ passed, failed, skipped }: TestSummary): string {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
}

/** Reads a summary written by `JSON.stringify`. @throws TypeError for anything else */
export function parseSummary(text: string): TestSummary {
  const value: unknown = JSON.parse(text);
  if (!isSummary(value)) throw new TypeError('not a test summary');
  return value;
}

function isSummary(value: unknown): value is TestSummary {
  if (typeof value !== 'object' || value === null) return false;
  const { passed, failed, skipped, failures } = value as Partial<Record<keyof TestSummary, unknown>>;
  return typeof passed === 'number' && typeof failed === 'number' && Array.isArray(skipped) && Array.isArray(failures);
}
