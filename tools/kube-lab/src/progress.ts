/** Takes one line at a time for somebody who waits. Never an answer that a program reads. */
export type Progress = (line: string) => void;

/** Prints to standard error, so that standard output stays for what a shell may evaluate. */
export const printProgress: Progress = (line) => void process.stderr.write(`kube-lab: ${line}\n`);

/** `4.2 s` since a time of `performance.now()`. */
export function secondsSince(startMs: number): string {
  return `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
}
