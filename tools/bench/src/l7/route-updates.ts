/**
 * How long a change of a route takes to be live while requests run: from the write of the manifest to the first answer by the new
 * route, through control plane, xDS and waypoint; and whether a request failed meanwhile.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AmbitError, delay } from '@ambit/runtime';
import { percentile } from '../statistics.ts';
import { liveRoute } from './scene.ts';

export interface RouteUpdateFigures {
  readonly updates: number;
  /** Load meanwhile, a second; 0 for as much as four connections can ask. */
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  /** Requests under way during the changes, and those that were not answered 200. */
  readonly requests: number;
  readonly failures: number;
}

export interface RouteUpdatePlan {
  /** Manifests of the lab that runs. */
  readonly manifests: string;
  /** A folder on the same file system. */
  readonly scratch: string;
  readonly updates: number;
  /** As of the figures. */
  readonly perSecond: number;
  /** Version of the first change, larger than any before. */
  readonly firstVersion: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Runs a command in the client's pod. */
  run(command: readonly string[]): Promise<string>;
}

const WATCH = fileURLToPath(new URL('../../lab/route-watch.ts', import.meta.url));
const CONNECTIONS = 4;
/** Between two changes: each is seen before the next. */
const INTERVAL_MS = 250;
const TIMEOUT_MS = 90_000;

/** @throws AmbitError `BENCH_OUTPUT` when changes were never seen. */
export async function measureRouteUpdates(plan: RouteUpdatePlan): Promise<RouteUpdateFigures> {
  const { updates, perSecond, firstVersion, headers, run } = plan;
  const lastVersion = firstVersion + updates - 1;
  const fields = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  const command = [process.execPath, WATCH, ...[CONNECTIONS, perSecond, lastVersion, TIMEOUT_MS].map(String)];
  const ready = join(plan.scratch, 'route-watch.ready');
  rmSync(ready, { force: true });
  const watching = run([...command, ready, 'http://live-ambit/x', ...fields]);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  while (!existsSync(ready)) await delay(100, { signal });
  const writtenMs = new Map<number, number>();
  for (let version = firstVersion; version <= lastVersion; version += 1) {
    write(plan, version);
    writtenMs.set(version, performance.timeOrigin + performance.now());
    await delay(INTERVAL_MS, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  }
  const text = await watching;
  const found: {
    readonly seen: readonly { readonly version: number; readonly atMs: number }[];
    readonly requests: number;
    readonly failures: number;
  } = JSON.parse(text.slice(text.indexOf('{')));
  const latencies = [...writtenMs].map(([version, atMs]) => {
    // A change that the next one overtook is live with that one.
    const first = found.seen.find((one) => one.version >= version);
    if (first === undefined) throw new AmbitError('BENCH_OUTPUT', `version ${version} of the route was never seen`);
    return first.atMs - atMs;
  });
  return {
    updates,
    perSecond,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    slowestMs: Math.max(...latencies),
    requests: found.requests,
    failures: found.failures,
  };
}

/** As editors do: whole, or not at all. */
function write({ manifests, scratch }: RouteUpdatePlan, version: number): void {
  const file = join(scratch, 'live.yaml.new');
  writeFileSync(file, liveRoute(version));
  renameSync(file, join(manifests, 'live.yaml'));
}
