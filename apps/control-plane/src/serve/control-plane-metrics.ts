import type { Clock } from '@ambit/runtime';
import type { MetricRegistry } from '@ambit/telemetry';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from '@ambit/xds';

/** Istio's short names, the values of label `type`. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [ADDRESS_TYPE, 'wds'],
  [AUTHORIZATION_TYPE, 'wads'],
]);

/** Kinds whose changes are changes of endpoints or services; others are configuration. Istio: `pilot_push_triggers`. */
const TRIGGERS: ReadonlyMap<string, string> = new Map([
  ['Pod', 'endpoint'],
  ['EndpointSlice', 'endpoint'],
  ['WorkloadEntry', 'endpoint'],
  ['Service', 'service'],
  ['ServiceEntry', 'service'],
]);

const SECONDS = [0.001, 0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30];
const BYTES = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

/**
 * Metrics under the names Istio's dashboards use. Istio shows its counts without the suffix that the registry gives to
 * counters, so they are computed gauges here. Spec: control-plane.md section 9.7.
 */
export class ControlPlaneMetrics {
  readonly #clock: Clock;
  readonly #registry: MetricRegistry;
  readonly #version: string;
  readonly #pushes = new Map<string, number>();
  readonly #rejects = new Map<string, number>();
  readonly #events = new Map<string, number>();
  readonly #triggers = new Map<string, number>();
  #inboundUpdates = 0;
  readonly #validations = { passed: 0, failed: 0 };
  #expiredNonces = 0;
  #writeTimeouts = 0;
  #internalErrors = 0;
  #changedAtMs: number | undefined;
  readonly #convergence;
  readonly #size;
  readonly #debounce;
  readonly #queue;
  readonly #push;

  constructor(registry: MetricRegistry, clock: Clock, version: string) {
    this.#registry = registry;
    this.#version = version;
    this.#clock = clock;
    const startedAtMs = clock.nowMs();
    this.#counts('pilot_xds_pushes', 'Responses sent, by type', 'type', this.#pushes);
    this.#counts('pilot_total_xds_rejects', 'Responses rejected by clients, by type', 'type', this.#rejects);
    this.#counts('pilot_k8s_cfg_events', 'Resource events from the source, by kind', 'type', this.#events);
    this.#counts('pilot_push_triggers', 'Batches of changes by what changed', 'type', this.#triggers);
    this.#value('pilot_inbound_updates', 'Batches of changes received from the source', () => this.#inboundUpdates);
    this.#value('galley_validation_passed', 'Objects that admission let pass', () => this.#validations.passed);
    this.#value('galley_validation_failed', 'Objects that admission refused', () => this.#validations.failed);
    this.#value('pilot_xds_expired_nonce', 'Requests that answer an older response', () => this.#expiredNonces);
    this.#value('pilot_xds_write_timeout', 'Streams cut for not reading', () => this.#writeTimeouts);
    this.#value(
      'pilot_total_xds_internal_errors',
      'Streams ended by an error of the server',
      () => this.#internalErrors,
    );
    // Virtual services are not served; dashboards show the count beside that of services.
    this.#value('pilot_virt_services', 'Virtual services known to the control plane', () => 0);
    this.#value('istiod_managed_clusters', 'Clusters whose resources are read', () => 1);
    this.#value('istiod_uptime_seconds', 'Seconds since the start', () => (clock.nowMs() - startedAtMs) / 1000);
    registry.computed(
      'gauge',
      { name: 'pilot_info', help: 'Version of the control plane', labelNames: ['version'] },
      () => [{ labelValues: [version], value: 1 }],
    );
    this.#convergence = registry
      .histogram(
        { name: 'pilot_proxy_convergence_time', help: 'Seconds from a change to its push to a client' },
        SECONDS,
      )
      .bind([]);
    const seconds = (name: string, help: string) => registry.histogram({ name, help }, SECONDS).bind([]);
    // There is no debouncing: a change waits for the round of pushes before it, and for nothing else.
    this.#debounce = seconds('pilot_debounce_time', 'Seconds from the first change of a round to its begin');
    this.#queue = seconds('pilot_proxy_queue_time', 'Seconds that changes wait for a round of pushes');
    this.#push = seconds('pilot_xds_push_time', 'Seconds that a round of pushes to all clients takes');
    this.#size = registry
      .histogram({ name: 'pilot_xds_config_size_bytes', help: 'Size of responses sent to clients' }, BYTES)
      .bind([]);
  }

  observeConnections(read: () => number): void {
    this.#registry.computed(
      'gauge',
      { name: 'pilot_xds', help: 'Clients connected over xDS', labelNames: ['version'] },
      () => [{ labelValues: [this.#version], value: read() }],
    );
  }

  /** State of the server of streams, read at scrape time. */
  observeStreams(read: {
    readonly slow: () => number;
    readonly pinnedBytes: () => number;
    readonly sendingBytes: () => number;
    readonly encoded: () => number;
  }): void {
    this.#value('ambit_xds_slow_streams', 'Clients that have not taken what they were sent', read.slow);
    this.#value(
      'ambit_xds_pinned_bytes',
      'Bytes of responses kept for clients that have not taken them',
      read.pinnedBytes,
    );
    this.#value('ambit_xds_sending_bytes', 'Bytes of large answers that are being sent', read.sendingBytes);
    this.#value(
      'ambit_xds_encoded_responses',
      'Distinct responses made, each sent to any number of clients',
      read.encoded,
    );
  }

  /** Resource counts and reports, read at scrape time. */
  observeMesh(read: {
    readonly services: () => number;
    readonly workloads: () => number;
    readonly policies: () => number;
    readonly errors: () => number;
    readonly warnings: () => number;
  }): void {
    this.#value('pilot_services', 'Services known to the control plane', read.services);
    this.#value('ambit_workloads', 'Workloads known to the control plane', read.workloads);
    this.#value('ambit_policies', 'Policies known to the control plane', read.policies);
    this.#value('ambit_config_errors', 'Resources that are not in force as written', read.errors);
    this.#value('ambit_config_warnings', 'Warnings about resources', read.warnings);
  }

  /** One object judged at admission. */
  validated(isPassed: boolean): void {
    this.#validations[isPassed ? 'passed' : 'failed'] += 1;
  }

  received(kinds: readonly string[]): void {
    this.#inboundUpdates += 1;
    this.#changedAtMs = this.#clock.nowMs();
    for (const kind of kinds) increment(this.#events, kind);
    for (const type of new Set(kinds.map((kind) => TRIGGERS.get(kind) ?? 'config'))) increment(this.#triggers, type);
  }

  pushed(typeUrl: string, bytes: number): void {
    increment(this.#pushes, SHORT_NAMES.get(typeUrl) ?? 'other');
    this.#size.observe(bytes);
    if (this.#changedAtMs !== undefined) this.#convergence.observe((this.#clock.nowMs() - this.#changedAtMs) / 1000);
  }

  /** One round of pushes: how long its first change waited, and how long it took. */
  pushedRound(waitedMs: number, tookMs: number): void {
    this.#debounce.observe(waitedMs / 1000);
    this.#queue.observe(waitedMs / 1000);
    this.#push.observe(tookMs / 1000);
  }

  expiredNonce(): void {
    this.#expiredNonces += 1;
  }

  writeTimedOut(): void {
    this.#writeTimeouts += 1;
  }

  internalError(): void {
    this.#internalErrors += 1;
  }

  rejected(typeUrl: string): void {
    increment(this.#rejects, SHORT_NAMES.get(typeUrl) ?? 'other');
  }

  #value(name: string, help: string, read: () => number): void {
    this.#registry.computed('gauge', { name, help }, () => [{ labelValues: [], value: read() }]);
  }

  #counts(name: string, help: string, label: string, counts: ReadonlyMap<string, number>): void {
    this.#registry.computed('gauge', { name, help, labelNames: [label] }, () =>
      [...counts].map(([value, count]) => ({ labelValues: [value], value: count })),
    );
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
