import type { Counter, Histogram, MetricFamily, MetricRegistry } from '@ambit/telemetry';

import type { RequestRecord } from '../../request/request-record.ts';

/** Milliseconds. */
const buckets = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];

interface Series {
  readonly requests: Map<number, Counter>;
  readonly duration: Histogram;
}

/**
 * Requests of the routes that are to be counted by themselves. Names come from routes, never from requests, and what is over the
 * family's budget goes into one series. Istio: VirtualService, statPrefix.
 */
export class RouteMetrics {
  readonly #requests: MetricFamily<Counter, readonly ['route', 'response_code']>;
  readonly #duration: MetricFamily<Histogram, readonly ['route']>;
  /** Held for the requests to come, until the next `letGo`. */
  readonly #held = new Map<string, Series>();

  constructor(registry: MetricRegistry) {
    this.#requests = registry.counter({
      name: 'ambit_route_requests',
      help: 'Requests of routes that have a name for statistics',
      labels: registry.labels(['route', 'response_code']),
    });
    this.#duration = registry.histogram(
      {
        name: 'ambit_route_request_duration_milliseconds',
        help: 'How long the requests of such routes took',
        labels: registry.labels(['route']),
      },
      buckets,
    );
  }

  onRequestEnd({ statisticsName, status, durationMs }: RequestRecord): void {
    if (statisticsName === undefined) return;
    let series = this.#held.get(statisticsName);
    if (series === undefined) {
      series = { requests: new Map(), duration: this.#duration.bind([statisticsName]) };
      this.#held.set(statisticsName, series);
    }
    let counter = series.requests.get(status);
    if (counter === undefined) {
      counter = this.#requests.bind([statisticsName, String(status)]);
      series.requests.set(status, counter);
    }
    counter.inc();
    series.duration.observe(durationMs);
  }

  /** Before the registry sweeps, which retires what nobody holds: names that are gone too. */
  letGo(): void {
    for (const { requests, duration } of this.#held.values()) {
      duration.release();
      for (const counter of requests.values()) counter.release();
    }
    this.#held.clear();
  }
}
