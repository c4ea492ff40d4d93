import type { Lab } from '../../lab/lab.ts';
import { serviceFile } from './lab-program.ts';

/** What came of a number of requests. */
export interface CallResult {
  /** How often each status, or error code, was the answer. */
  readonly statuses: Readonly<Record<string, number>>;
  /** How often each pod answered; `-` for answers of nobody. */
  readonly pods: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

export interface CallOptions {
  /** Default 1. */
  readonly count?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls a URL from a pod, one request after the other. Rejects when the caller itself cannot run. */
export async function httpCalls(lab: Lab, pod: string, url: string, options: CallOptions = {}): Promise<CallResult> {
  const { count = 1, headers = {} } = options;
  const words = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  const argv = [process.execPath, serviceFile(lab, 'calls.ts'), String(count), url, ...words];
  const { code, stdout, stderr } = await lab.exec(pod, argv, { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`calls from ${pod} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** `96 × 200, 4 × 503` */
export function formatCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} × ${name}`)
    .join(', ');
}

/** Whether all requests had one status, or one pod. */
export function areAll(counts: Readonly<Record<string, number>>, name: string): boolean {
  const names = Object.keys(counts);
  return names.length === 1 && names[0] === name;
}
