import type { MetricRegistry } from '@ambit/telemetry';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { TelemetrySettings } from '../../config/proxy.ts';
import type { ServedTarget } from '../../request/downstream-facts.ts';
import type { RequestObserver, RequestRecord } from '../../request/request-record.ts';
import type { TcpObserver } from '../inbound/tcp-session.ts';
import type { TcpRecord } from '../tcp-record.ts';
import { type LogPlan, logPlan, type LogSurroundings } from './log-plan.ts';
import type { RequestLog } from './request-log.ts';
import { RouteMetrics } from './route-metrics.ts';
import { type MetricPlan, metricPlan, TrafficMetrics } from './traffic-metrics.ts';

/** Telemetry settings as they are acted on. */
interface Plan {
  readonly metrics: MetricPlan;
  readonly log: LogPlan;
}

function planOf(settings: TelemetrySettings | undefined, surroundings: LogSurroundings): Plan {
  return { metrics: metricPlan(settings), log: logPlan(settings, surroundings) };
}

/** Turns finished requests and connections into metrics and log lines, as the configuration wants them. */
export class TrafficObserver implements RequestObserver, TcpObserver {
  readonly #metrics: TrafficMetrics;
  readonly #routes: RouteMetrics;
  readonly #log: RequestLog;
  readonly #surroundings: LogSurroundings;
  readonly #plans = new WeakMap<TelemetrySettings, Plan>();
  #config: ConfigSnapshot | undefined;
  #settings: TelemetrySettings | undefined;
  #plan: Plan;
  /** Of services that have settings of their own. */
  #byService: ReadonlyMap<string, Plan> = new Map();
  #reporter: 'waypoint' | 'source' = 'waypoint';

  constructor(registry: MetricRegistry, log: RequestLog, surroundings: LogSurroundings) {
    this.#metrics = new TrafficMetrics(registry);
    this.#routes = new RouteMetrics(registry);
    this.#log = log;
    this.#surroundings = surroundings;
    this.#plan = planOf(undefined, surroundings);
  }

  /** Takes over telemetry settings; what of log formats that are new is not shown. */
  configure(config: ConfigSnapshot): readonly string[] {
    const { proxy, destinations } = config;
    this.#config = config;
    this.#reporter = proxy.kind === 'waypoint' ? 'waypoint' : 'source';
    const unknown: string[] = [];
    if (proxy.telemetry !== this.#settings) {
      this.#settings = proxy.telemetry;
      this.#plan = planOf(proxy.telemetry, this.#surroundings);
      unknown.push(...this.#plan.log.problems);
    }
    const byService = new Map<string, Plan>();
    for (const [key, { destination }] of destinations) {
      const settings = destination.telemetry;
      if (settings === undefined) continue;
      const known = this.#plans.get(settings);
      const plan = known ?? planOf(settings, this.#surroundings);
      if (known === undefined) unknown.push(...plan.log.problems);
      this.#plans.set(settings, plan);
      byService.set(key, plan);
    }
    this.#byService = byService;
    return unknown;
  }

  onRequestStart(): void {
    // Everything is told at the end.
  }

  onRequestEnd(record: RequestRecord): void {
    const { metrics, log } = this.#planFor(record.facts.served);
    this.#metrics.onRequestEnd(record, this.#reporter, metrics);
    this.#routes.onRequestEnd(record);
    this.#log.write(record, log, this.#config);
  }

  onTcpStart(record: TcpRecord): void {
    this.#metrics.onTcpStart(record, this.#reporter, this.#planFor(record.facts.served).metrics);
  }

  onTcpProgress(record: TcpRecord): void {
    this.#metrics.onTcpProgress(record, this.#reporter, this.#planFor(record.facts.served).metrics);
  }

  tcpReportMs({ facts }: TcpRecord): number {
    return this.#planFor(facts.served).metrics.tcpReportMs;
  }

  onTcpEnd(record: TcpRecord): void {
    const { metrics, log } = this.#planFor(record.facts.served);
    this.#metrics.onTcpEnd(record, this.#reporter, metrics);
    this.#log.write(record, log, this.#config);
  }

  /** Before the registry sweeps. */
  letGo(): void {
    this.#metrics.letGo();
    this.#routes.letGo();
  }

  #planFor(served: ServedTarget): Plan {
    if (this.#byService.size === 0 || served.kind !== 'service') return this.#plan;
    return this.#byService.get(served.key) ?? this.#plan;
  }
}
