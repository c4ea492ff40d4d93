import type { Counter, MetricFamily, MetricRegistry } from '@ambit/telemetry';

import type { RateLimitRule } from '../../config/rate-limit.ts';
import type { LimitObserver, LimitResult } from '../../request/limit-gate.ts';

type Names = readonly ['limit', 'scope', 'result'];

/**
 * What rate limits decided, by limit: names come from policies, never from requests, and what is over the family's budget
 * goes into one series.
 */
export class LimitMetrics implements LimitObserver {
  readonly #decisions: MetricFamily<Counter, Names>;
  /** Held for the requests to come, until the next `letGo`. */
  readonly #held = new Map<RateLimitRule, Map<LimitResult, Counter>>();

  constructor(registry: MetricRegistry) {
    this.#decisions = registry.counter({
      name: 'ambit_rate_limit_decisions',
      help: 'Requests that a rate limit has counted, by what it said of them',
      labels: registry.labels(['limit', 'scope', 'result']),
    });
  }

  onLimit(limit: RateLimitRule, result: LimitResult): void {
    let counters = this.#held.get(limit);
    if (counters === undefined) this.#held.set(limit, (counters = new Map<LimitResult, Counter>()));
    let counter = counters.get(result);
    if (counter === undefined) {
      counter = this.#decisions.bind([limit.name, limit.scope.kind, result]);
      counters.set(result, counter);
    }
    counter.inc();
  }

  /** Before the registry sweeps, which retires what nobody holds: limits that are gone too. */
  letGo(): void {
    for (const counters of this.#held.values()) for (const counter of counters.values()) counter.release();
    this.#held.clear();
  }
}
