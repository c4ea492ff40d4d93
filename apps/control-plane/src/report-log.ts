import { formatReport, type SourceReport } from '@ambit/kube';

/** Tells each report once, when it first appears; one that went away and comes back is told again. */
export class ReportLog {
  readonly #tell: (report: SourceReport) => void;
  #known: ReadonlySet<string> = new Set();

  constructor(tell: (report: SourceReport) => void) {
    this.#tell = tell;
  }

  update(reports: readonly SourceReport[]): void {
    const current = new Set<string>();
    for (const report of reports) {
      const text = formatReport(report);
      if (!current.has(text) && !this.#known.has(text)) this.#tell(report);
      current.add(text);
    }
    this.#known = current;
  }
}
