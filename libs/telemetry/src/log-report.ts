import type { LoggerRoot } from './logger.ts';

/** What a data worker wants logged: rare, as its connections and requests have the access log. */
export interface LogReport {
  readonly kind: 'log';
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly scope: string;
  /** A constant phrase. */
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** Logs it on the control thread. */
export function logReport(loggers: LoggerRoot, worker: number, report: LogReport): void {
  loggers.scope(report.scope)[report.level]({ worker, ...report.fields }, report.message);
}
