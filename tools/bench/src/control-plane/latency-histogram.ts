/** Millions of latencies in a fixed amount of memory: buckets of 0.1 ms up to ten seconds. */
import type { Percentiles } from './client-messages.ts';

const BUCKETS_A_MS = 10;
const LIMIT_MS = 10_000;

export class LatencyHistogram {
  readonly #buckets = new Uint32Array(LIMIT_MS * BUCKETS_A_MS + 1);
  #count = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const bucket = Math.min(LIMIT_MS, Math.max(0, ms)) * BUCKETS_A_MS;
    this.#buckets[Math.floor(bucket)] = (this.#buckets[Math.floor(bucket)] ?? 0) + 1;
    this.#count += 1;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** Upper edge of the bucket that holds this part (0 to 1) of all; NaN when there are none. */
  percentile(part: number): number {
    if (this.#count === 0) return Number.NaN;
    const wanted = Math.ceil(this.#count * part);
    let seen = 0;
    for (const [index, count] of this.#buckets.entries()) {
      seen += count;
      if (seen >= wanted) return Math.min(this.#maxMs, (index + 1) / BUCKETS_A_MS);
    }
    return this.#maxMs;
  }

  get maxMs(): number {
    return this.#maxMs;
  }
}

export function percentiles(histogram: LatencyHistogram): Percentiles {
  const { maxMs } = histogram;
  const at = (part: number): number => histogram.percentile(part);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: maxMs };
}
