import type { MetricRegistry } from '@ambit/telemetry';

import type { CompiledProxy, TelemetrySettings } from '../../config/proxy.ts';
import type { RequestObserver, RequestRecord } from '../../request/request-record.ts';
import type { TcpObserver } from '../inbound/tcp-session.ts';
import type { TcpRecord } from '../tcp-record.ts';
import type { RequestLog } from './request-log.ts';
import { TrafficMetrics } from './traffic-metrics.ts';

/** Turns finished requests and connections into metrics and log lines, as the configuration wants them. */
export class TrafficObserver implements RequestObserver, TcpObserver {
  readonly #metrics: TrafficMetrics;
  readonly #log: RequestLog;
  #settings: TelemetrySettings | undefined;
  #reporter: 'waypoint' | 'source' = 'waypoint';

  constructor(registry: MetricRegistry, log: RequestLog) {
    this.#metrics = new TrafficMetrics(registry);
    this.#log = log;
  }

  /** Takes over the proxy's telemetry settings; operators of its log format that are not known. */
  configure(proxy: CompiledProxy): readonly string[] {
    this.#reporter = proxy.kind === 'waypoint' ? 'waypoint' : 'source';
    if (proxy.telemetry === this.#settings) return [];
    this.#settings = proxy.telemetry;
    this.#metrics.configure(proxy.telemetry);
    return this.#log.configure(proxy.telemetry);
  }

  onRequestStart(): void {
    // Everything is told at the end.
  }

  onRequestEnd(record: RequestRecord): void {
    this.#metrics.onRequestEnd(record, this.#reporter);
    this.#log.write(record);
  }

  onTcpStart(record: TcpRecord): void {
    this.#metrics.onTcpStart(record, this.#reporter);
  }

  onTcpProgress(record: TcpRecord): void {
    this.#metrics.onTcpProgress(record, this.#reporter);
  }

  onTcpEnd(record: TcpRecord): void {
    this.#metrics.onTcpEnd(record, this.#reporter);
    this.#log.write(record);
  }

  /** Before the registry sweeps. */
  letGo(): void {
    this.#metrics.letGo();
  }
}
