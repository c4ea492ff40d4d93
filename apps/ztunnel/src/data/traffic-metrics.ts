import type { Counter, Gauge, LabelSchema, LabelSet, MetricFamily, MetricRegistry } from '@ambit/telemetry';
import type { Workload } from '@ambit/workload';
import type { ResponseFlag } from './failure.ts';
import { type Reporter, type TrafficFacts, trafficLabelNames, trafficLabels } from './traffic-labels.ts';

type Names = typeof trafficLabelNames;

/** Label sets kept between connections; more are forgotten together. */
const maxCachedLabels = 4096;

/** The metric families of connections. Spec: contract data-plane 7.1. */
export class TrafficMetrics {
  readonly #labels: LabelSchema<Names>;
  readonly opened: MetricFamily<Counter, Names>;
  readonly closed: MetricFamily<Counter, Names>;
  readonly failed: MetricFamily<Counter, Names>;
  /** Client to server, whoever reports. */
  readonly received: MetricFamily<Counter, Names>;
  /** Server to client, whoever reports. */
  readonly sent: MetricFamily<Counter, Names>;
  readonly denials: MetricFamily<Counter, readonly ['reporter', 'policy', 'is_late']>;
  readonly #sockets: MetricFamily<Gauge, readonly ['reporter']>;
  readonly #openSockets = new Map<Reporter, Gauge>();
  /** By facts that are the same for many connections. Building the 27 values for each would cost more than the rest. */
  readonly #cached = new Map<string, LabelSet>();
  readonly #ids = new WeakMap<Workload, number>();
  #nextId = 1;

  constructor(registry: MetricRegistry) {
    this.#labels = registry.labels(trafficLabelNames);
    const counter = (name: string, help: string): MetricFamily<Counter, Names> =>
      registry.counter({ name, help, labels: this.#labels });
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
    this.denials = registry.counter({
      name: 'ambit_policy_denials',
      help: 'Connections that policy refused or closed, by the policy that decided; empty when no ALLOW policy matched',
      labels: registry.labels(['reporter', 'policy', 'is_late']),
    });
    this.#sockets = registry.gauge({
      name: 'istio_tcp_sockets_open',
      help: 'The current number of open TCP sockets (unstable)',
      labels: registry.labels(['reporter']),
    });
  }

  /** The label set of a connection. Valid until the next `forgetLabels`, unless a series holds it. */
  labelsOf(facts: TrafficFacts, flag: ResponseFlag | '-'): LabelSet {
    // What a peer says of itself counts only when the mesh does not know it, and is not worth keeping.
    if (facts.source === undefined && facts.sourceBaggage !== undefined)
      return this.#labels.set(trafficLabels(facts, flag));
    const { reporter, source, destination, service, sourcePrincipal } = facts;
    const who = `${reporter} ${this.#id(source)} ${this.#id(destination)} ${facts.isMutualTls} ${flag}`;
    const key = `${who} ${sourcePrincipal} ${service?.namespace}/${service?.hostname}`;
    const cached = this.#cached.get(key);
    if (cached !== undefined) return cached;
    if (this.#cached.size >= maxCachedLabels) this.#cached.clear();
    const labels = this.#labels.set(trafficLabels(facts, flag));
    this.#cached.set(key, labels);
    return labels;
  }

  /** Before the registry sweeps, which forgets sets that no series uses. */
  forgetLabels(): void {
    this.#cached.clear();
  }

  #id(workload: Workload | undefined): number {
    if (workload === undefined) return 0;
    let id = this.#ids.get(workload);
    if (id === undefined) {
      id = this.#nextId++;
      this.#ids.set(workload, id);
    }
    return id;
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
