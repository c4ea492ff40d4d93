import { formatLocation, type Location } from './location.ts';

/**
 * What a report is about.
 * - `unreadable`: the file could not be read or parsed; its last good version stays in force
 * - `invalid`: an object failed validation; its last good version stays in force
 * - `duplicate`: the object is defined twice; the first definition counts
 * - `unknown-kind`, `unknown-field`: ignored, probably a spelling mistake
 * - `suspicious`: valid, but surely not what was meant (given by whoever understands the object)
 */
export type ReportCode = 'unreadable' | 'invalid' | 'duplicate' | 'unknown-kind' | 'unknown-field' | 'suspicious';

/** One thing a user should know about a resource. Errors keep something out of force; warnings do not. */
export interface SourceReport {
  readonly severity: 'error' | 'warning';
  readonly code: ReportCode;
  readonly location: Location;
  /** A sentence that says what is wrong and what to do. */
  readonly message: string;
}

/** `file:line:column: error: message`. */
export function formatReport(report: SourceReport): string {
  return `${formatLocation(report.location)}: ${report.severity}: ${report.message}`;
}

/** Orders reports by file, line and column. */
export function compareReports(a: SourceReport, b: SourceReport): number {
  const left = a.location;
  const right = b.location;
  if (left.file !== right.file) return left.file < right.file ? -1 : 1;
  if (left.line !== right.line) return left.line - right.line;
  if (left.column !== right.column) return left.column - right.column;
  return a.message < b.message ? -1 : a.message > b.message ? 1 : 0;
}
