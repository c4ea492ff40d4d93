import type { Counter, Gauge, LabelSchema, MetricFamily, MetricRegistry } from '@ambit/telemetry';
import { type Reporter, trafficLabelNames } from './traffic-labels.ts';

type Names = typeof trafficLabelNames;

/** The metric families of connections. Spec: contract data-plane 7.1. */
export class TrafficMetrics {
  readonly labels: LabelSchema<Names>;
  readonly opened: MetricFamily<Counter, Names>;
  readonly closed: MetricFamily<Counter, Names>;
  readonly failed: MetricFamily<Counter, Names>;
  /** Client to server, whoever reports. */
  readonly received: MetricFamily<Counter, Names>;
  /** Server to client, whoever reports. */
  readonly sent: MetricFamily<Counter, Names>;
  readonly #sockets: MetricFamily<Gauge, readonly ['reporter']>;
  readonly #openSockets = new Map<Reporter, Gauge>();

  constructor(registry: MetricRegistry) {
    this.labels = registry.labels(trafficLabelNames);
    const counter = (name: string, help: string): MetricFamily<Counter, Names> =>
      registry.counter({ name, help, labels: this.labels });
    this.opened = counter('istio_tcp_connections_opened', 'The total number of TCP connections opened');
    this.closed = counter('istio_tcp_connections_closed', 'The total number of TCP connections closed');
    this.failed = counter(
      'istio_tcp_connections_failed',
      'The total number of TCP connections that failed to establish (unstable)',
    );
    this.received = counter(
      'istio_tcp_received_bytes',
      'The size of total bytes received during request in case of a TCP connection',
    );
    this.sent = counter(
      'istio_tcp_sent_bytes',
      'The size of total bytes sent during response in case of a TCP connection',
    );
    this.#sockets = registry.gauge({
      name: 'istio_tcp_sockets_open',
      help: 'The current number of open TCP sockets (unstable)',
      labels: registry.labels(['reporter']),
    });
  }

  /** The gauge of accepted sockets of one side; held for good. */
  sockets(reporter: Reporter): Gauge {
    let gauge = this.#openSockets.get(reporter);
    if (gauge === undefined) {
      gauge = this.#sockets.bind([reporter]);
      this.#openSockets.set(reporter, gauge);
    }
    return gauge;
  }
}
