/** wrk and h2load as children in a pod, and what they print. */
import { AmbitError } from '@ambit/runtime';

export interface HttpLoad {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly requests: number;
  readonly failures: number;
}

export interface HttpLoadPlan {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  /** File that is posted; undefined asks with GET. */
  readonly bodyFile?: string;
}

/** HTTP/1.1: Debian's wrk. */
export function wrkCommand({ url, headers, connections, seconds }: HttpLoadPlan): readonly string[] {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  return ['wrk', '-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--latency', ...fields, url];
}

/** @throws AmbitError `BENCH_OUTPUT` */
export function readWrk(text: string): HttpLoad {
  const perSecond = Number(/^Requests\/sec:\s+([\d.]+)/m.exec(text)?.[1]);
  const requests = Number(/^\s*(\d+) requests in/m.exec(text)?.[1]);
  const [, value = '', unit = ''] = /^\s+50%\s+([\d.]+)(us|ms|s)$/m.exec(text) ?? [];
  if (!Number.isFinite(perSecond) || !Number.isFinite(requests)) throw unreadable('wrk', text);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const p50Us = Number(value) * (unit === 's' ? 1e6 : unit === 'ms' ? 1e3 : 1);
  return { perSecond, requests, p50Us, failures: errors.map(Number).reduce((sum, one) => sum + one, refused) };
}

/** HTTP/2 with prior knowledge: h2load, 16 streams at a time on each connection. */
export function h2loadCommand({ url, headers, connections, seconds, bodyFile }: HttpLoadPlan): readonly string[] {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const body = bodyFile === undefined ? [] : ['-d', bodyFile];
  return ['h2load', '-t', '1', '-c', String(connections), '-m', '16', '-D', String(seconds), ...body, ...fields, url];
}

/** @throws AmbitError `BENCH_OUTPUT` */
export function readH2load(text: string): HttpLoad {
  const perSecond = Number(/^finished in [^,]+, ([\d.]+) req\/s/m.exec(text)?.[1]);
  const counts = /^requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed/m.exec(text);
  const done = Number(counts?.[1]);
  const failed = Number(counts?.[2]);
  const mean = /^time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/m.exec(text) ?? [];
  if (!Number.isFinite(perSecond) || !Number.isFinite(done)) throw unreadable('h2load', text);
  const refused = /^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m.exec(text)?.slice(1) ?? [];
  return {
    perSecond,
    requests: done,
    p50Us: Number(mean[1]) * (mean[2] === 's' ? 1e6 : mean[2] === 'ms' ? 1e3 : 1),
    failures: refused.map(Number).reduce((sum, one) => sum + one, failed),
  };
}

function unreadable(tool: string, text: string): AmbitError {
  return new AmbitError('BENCH_OUTPUT', `${tool} printed no result: ${text.slice(-400)}`);
}
