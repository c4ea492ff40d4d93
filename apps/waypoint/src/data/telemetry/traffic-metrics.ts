import {
  type Counter,
  extraLabels,
  type Histogram,
  type LabelSchema,
  type LabelSet,
  type MetricFamily,
  type MetricRegistry,
} from '@ambit/telemetry';
import type { Workload } from '@ambit/workload';

import { limitMs } from '../../config/duration.ts';
import type { TelemetrySettings } from '../../config/proxy.ts';
import type { BackendTarget } from '../../config/backend-target.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import type { RequestRecord } from '../../request/request-record.ts';
import type { TcpRecord } from '../tcp-record.ts';
import { applyTags, type TagPlan, tagPlan, tagValues } from './tag-plan.ts';
import { TrafficAttributes } from './traffic-attributes.ts';
import { commonLabels, httpLabelNames, tcpLabelNames, type TrafficFacts } from './traffic-labels.ts';

type HttpNames = readonly [...typeof httpLabelNames, typeof extraLabels];
type TcpNames = readonly [...typeof tcpLabelNames, typeof extraLabels];

/** Milliseconds and bytes. Istio: the buckets of its standard histograms. */
const buckets = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Names by which Telemetry resources mean each metric. */
const metricNames = {
  requests: ['REQUEST_COUNT', 'istio_requests_total', 'requests_total'],
  duration: ['REQUEST_DURATION', 'istio_request_duration_milliseconds', 'request_duration_milliseconds'],
  requestBytes: ['REQUEST_SIZE', 'istio_request_bytes', 'request_bytes'],
  responseBytes: ['RESPONSE_SIZE', 'istio_response_bytes', 'response_bytes'],
  requestMessages: ['GRPC_REQUEST_MESSAGES', 'istio_request_messages_total', 'request_messages_total'],
  responseMessages: ['GRPC_RESPONSE_MESSAGES', 'istio_response_messages_total', 'response_messages_total'],
  opened: ['TCP_OPENED_CONNECTIONS', 'istio_tcp_connections_opened_total', 'tcp_connections_opened_total'],
  closed: ['TCP_CLOSED_CONNECTIONS', 'istio_tcp_connections_closed_total', 'tcp_connections_closed_total'],
  sent: ['TCP_SENT_BYTES', 'istio_tcp_sent_bytes_total', 'tcp_sent_bytes_total'],
  received: ['TCP_RECEIVED_BYTES', 'istio_tcp_received_bytes_total', 'tcp_received_bytes_total'],
} as const;
type MetricKey = keyof typeof metricNames;
const metricCount = Object.keys(metricNames).length;

/** What a configuration says of metrics. */
export interface MetricPlan {
  /** Tells plans apart: series of one are not those of another. */
  readonly id: number;
  readonly disabled: ReadonlySet<MetricKey>;
  /** Labels that are left out, by metric. */
  readonly hidden: ReadonlyMap<MetricKey, ReadonlySet<string>>;
  /** Labels whose values expressions say; undefined for none. */
  readonly tags: TagPlan | undefined;
  /** How often long connections bring their counters up to date. */
  readonly tcpReportMs: number;
}

/** Istio: the reporting interval. */
const defaultTcpReportMs = 5_000;

const httpMetrics: ReadonlySet<string> = new Set(['requests', 'duration', 'requestBytes', 'responseBytes']);

let lastPlan = 0;

/** Overrides count in their order: a later one that names a metric or a label again has the last word. */
export function metricPlan(settings: TelemetrySettings | undefined): MetricPlan {
  const all = Object.keys(metricNames).filter(isMetricKey);
  const disabled = new Set<MetricKey>(settings?.metricsDisabled === true ? all : []);
  const hidden = new Map<MetricKey, Set<string>>();
  const tags = new Map<MetricKey, Map<string, string>>();
  for (const override of settings?.metricOverrides ?? []) {
    for (const key of all) {
      const isMeant = override.metric === 'ALL_METRICS' || metricNames[key].some((name) => name === override.metric);
      if (!isMeant) continue;
      if (override.disabled) disabled.add(key);
      else disabled.delete(key);
      const labels = hidden.get(key) ?? new Set<string>();
      for (const name of override.removedLabels) labels.add(name);
      for (const name of Object.keys(override.addedLabels)) labels.delete(name);
      if (labels.size > 0) hidden.set(key, labels);
      const texts = tags.get(key) ?? new Map<string, string>();
      for (const name of override.removedLabels) texts.delete(name);
      for (const [name, text] of Object.entries(override.addedLabels)) texts.set(name, text);
      if (texts.size > 0) tags.set(key, texts);
      else tags.delete(key);
    }
  }
  lastPlan += 1;
  const tcpReportMs = limitMs(settings?.tcpReportInterval) ?? defaultTcpReportMs;
  return { id: lastPlan, disabled, hidden, tags: tagPlan(tags, standardLabels), tcpReportMs };
}

function standardLabels(metric: string): readonly string[] {
  return httpMetrics.has(metric) ? httpLabelNames : tcpLabelNames;
}

/** Series of one combination of labels, held for the requests to come. */
interface RequestSeries {
  /** Taken when they are wanted first: a metric that is off has no series. */
  requests: Counter | undefined;
  duration: Histogram | undefined;
  requestBytes: Histogram | undefined;
  responseBytes: Histogram | undefined;
  /** Of gRPC; requests with other status codes share them. */
  requestMessages: Counter | undefined;
  responseMessages: Counter | undefined;
}

/** The series of a connection's last request, with all that decides about them but the connection. */
interface LastSeries {
  readonly generation: number;
  readonly plan: MetricPlan;
  readonly reporter: TrafficFacts['reporter'];
  readonly target: BackendTarget | undefined;
  readonly workload: Workload | undefined;
  readonly isGrpc: boolean;
  readonly flags: string;
  readonly status: number;
  readonly grpcStatus: number | undefined;
  readonly series: RequestSeries;
}

/** Undefined for a metric that is off: it has no series. */
interface TcpSeries {
  readonly opened: Counter | undefined;
  readonly closed: Counter | undefined;
  readonly sent: Counter | undefined;
  readonly received: Counter | undefined;
}

/** Combinations whose series are held; beyond it all are let go, and those in use are taken again. */
const maxHeld = 2048;

/** Istio's standard metrics of one worker. Series are bounded by the registry's budgets: what is over goes into one series. */
export class TrafficMetrics {
  readonly #http: LabelSchema<HttpNames>;
  readonly #tcp: LabelSchema<TcpNames>;
  readonly #requests: MetricFamily<Counter, HttpNames>;
  readonly #duration: MetricFamily<Histogram, HttpNames>;
  readonly #requestBytes: MetricFamily<Histogram, HttpNames>;
  readonly #responseBytes: MetricFamily<Histogram, HttpNames>;
  readonly #requestMessages: MetricFamily<Counter, TcpNames>;
  readonly #responseMessages: MetricFamily<Counter, TcpNames>;
  readonly #opened: MetricFamily<Counter, TcpNames>;
  readonly #closed: MetricFamily<Counter, TcpNames>;
  readonly #sent: MetricFamily<Counter, TcpNames>;
  readonly #received: MetricFamily<Counter, TcpNames>;
  readonly #heldHttp = new Map<string, RequestSeries>();
  readonly #heldTcp = new Map<string, TcpSeries>();
  readonly #last = new WeakMap<DownstreamFacts, LastSeries>();
  /** Grows when held series are let go. */
  #generation = 0;
  readonly #told = new WeakMap<TcpRecord, { sent: number; received: number }>();
  readonly #ids = new WeakMap<Workload, number>();
  #nextId = 1;

  constructor(registry: MetricRegistry) {
    this.#http = registry.labels([...httpLabelNames, extraLabels]);
    this.#tcp = registry.labels([...tcpLabelNames, extraLabels]);
    const byRequest = { labels: this.#http };
    const byConnection = { labels: this.#tcp };
    this.#requests = registry.counter({ name: 'istio_requests', help: 'Requests', ...byRequest });
    this.#duration = registry.histogram(
      { name: 'istio_request_duration_milliseconds', help: 'Duration of requests', ...byRequest },
      buckets,
    );
    this.#requestBytes = registry.histogram(
      { name: 'istio_request_bytes', help: 'Size of request bodies', ...byRequest },
      buckets,
    );
    this.#responseBytes = registry.histogram(
      { name: 'istio_response_bytes', help: 'Size of response bodies', ...byRequest },
      buckets,
    );
    const counter = (name: string, help: string): MetricFamily<Counter, TcpNames> =>
      registry.counter({ name, help, ...byConnection });
    this.#requestMessages = counter('istio_request_messages', 'gRPC messages of clients');
    this.#responseMessages = counter('istio_response_messages', 'gRPC messages of servers');
    this.#opened = counter('istio_tcp_connections_opened', 'TCP connections opened');
    this.#closed = counter('istio_tcp_connections_closed', 'TCP connections closed');
    this.#sent = counter('istio_tcp_sent_bytes', 'Bytes sent to clients of TCP connections');
    this.#received = counter('istio_tcp_received_bytes', 'Bytes received from clients of TCP connections');
  }

  onRequestEnd(record: RequestRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan): void {
    const { disabled } = plan;
    if (disabled.size === metricCount) return;
    const series = this.#seriesOf(record, reporter, plan);
    if (!disabled.has('requests'))
      (series.requests ??= this.#requests.bind(this.#httpSet(record, reporter, plan, 'requests'))).inc();
    if (!disabled.has('duration')) {
      series.duration ??= this.#duration.bind(this.#httpSet(record, reporter, plan, 'duration'));
      series.duration.observe(record.durationMs);
    }
    if (!disabled.has('requestBytes')) {
      series.requestBytes ??= this.#requestBytes.bind(this.#httpSet(record, reporter, plan, 'requestBytes'));
      series.requestBytes.observe(record.requestBytes);
    }
    if (!disabled.has('responseBytes')) {
      series.responseBytes ??= this.#responseBytes.bind(this.#httpSet(record, reporter, plan, 'responseBytes'));
      series.responseBytes.observe(record.responseBytes);
    }
    if (!record.isGrpc) return;
    if (!disabled.has('requestMessages')) {
      series.requestMessages ??= this.#requestMessages.bind(
        this.#tcpSet(requestFacts(record, reporter), record, plan, 'requestMessages'),
      );
      series.requestMessages.add(record.requestMessages);
    }
    if (!disabled.has('responseMessages')) {
      series.responseMessages ??= this.#responseMessages.bind(
        this.#tcpSet(requestFacts(record, reporter), record, plan, 'responseMessages'),
      );
      series.responseMessages.add(record.responseMessages);
    }
  }

  onTcpStart(record: TcpRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan): void {
    this.#tcpSeries(record, reporter, plan).opened?.inc();
  }

  onTcpProgress(record: TcpRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan): void {
    const told = this.#told.get(record) ?? { sent: 0, received: 0 };
    const series = this.#tcpSeries(record, reporter, plan);
    series.sent?.add(record.bytesSent - told.sent);
    series.received?.add(record.bytesReceived - told.received);
    this.#told.set(record, { sent: record.bytesSent, received: record.bytesReceived });
  }

  onTcpEnd(record: TcpRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan): void {
    this.onTcpProgress(record, reporter, plan);
    this.#tcpSeries(record, reporter, plan).closed?.inc();
  }

  /** Before the registry sweeps, which retires what nobody holds. */
  letGo(): void {
    this.#generation += 1;
    for (const series of this.#heldHttp.values()) {
      const { requests, duration, requestBytes, responseBytes, requestMessages, responseMessages } = series;
      for (const one of [requests, duration, requestBytes, responseBytes, requestMessages, responseMessages])
        one?.release();
    }
    for (const series of this.#heldTcp.values()) {
      for (const one of [series.opened, series.closed, series.sent, series.received]) one?.release();
    }
    this.#heldHttp.clear();
    this.#heldTcp.clear();
  }

  #httpSet(record: RequestRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan, key: MetricKey): LabelSet {
    const labels: string[] = httpLabels(requestFacts(record, reporter), record, plan.hidden.get(key));
    return this.#setOf(this.#http, labels, httpLabelNames, record, plan, key);
  }

  #tcpSet(facts: TrafficFacts, record: RequestRecord | TcpRecord, plan: MetricPlan, key: MetricKey): LabelSet {
    const labels: string[] = [...commonLabels(facts, plan.hidden.get(key))];
    return this.#setOf(this.#tcp, labels, tcpLabelNames, record, plan, key);
  }

  #setOf(
    schema: { set(values: readonly string[]): LabelSet },
    labels: string[],
    names: readonly string[],
    record: RequestRecord | TcpRecord,
    { tags }: MetricPlan,
    key: MetricKey,
  ): LabelSet {
    const extra = tags === undefined ? '' : applyTags(tags, key, valuesOf(tags, record), names, labels);
    labels.push(extra);
    return schema.set(labels);
  }

  /** Most requests of a connection are counted like the one before. */
  #seriesOf(record: RequestRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan): RequestSeries {
    const { facts, target, isGrpc, flags, status, grpcStatus } = record;
    const workload = record.endpoint?.workload;
    const last = this.#last.get(facts);
    if (
      last !== undefined &&
      plan.tags === undefined &&
      last.generation === this.#generation &&
      last.plan === plan &&
      last.reporter === reporter &&
      last.target === target &&
      last.workload === workload &&
      last.isGrpc === isGrpc &&
      last.flags === flags &&
      last.status === status &&
      last.grpcStatus === grpcStatus
    )
      return last.series;
    const series = this.#requestSeries(record, requestFacts(record, reporter), plan);
    const generation = this.#generation;
    const fresh = { generation, plan, reporter, target, workload, isGrpc, flags, status, grpcStatus, series };
    this.#last.set(facts, fresh);
    return series;
  }

  #requestSeries(record: RequestRecord, facts: TrafficFacts, plan: MetricPlan): RequestSeries {
    const grpcStatus = record.grpcStatus === undefined ? '' : String(record.grpcStatus);
    const key = `${plan.id} ${this.#keyOf(facts)} ${record.status} ${grpcStatus}${tagKey(plan, record)}`;
    const known = this.#heldHttp.get(key);
    if (known !== undefined) return known;
    if (this.#heldHttp.size >= maxHeld) this.letGo();
    const series: RequestSeries = {
      requests: undefined,
      duration: undefined,
      requestBytes: undefined,
      responseBytes: undefined,
      requestMessages: undefined,
      responseMessages: undefined,
    };
    this.#heldHttp.set(key, series);
    return series;
  }

  #tcpSeries(record: TcpRecord, reporter: TrafficFacts['reporter'], plan: MetricPlan): TcpSeries {
    const { facts: downstream, target, endpoint, flag: flags } = record;
    const facts: TrafficFacts = { reporter, downstream, target, endpoint, protocol: 'tcp', flags };
    const key = `${plan.id} ${this.#keyOf(facts)}${tagKey(plan, record)}`;
    const known = this.#heldTcp.get(key);
    if (known !== undefined) return known;
    if (this.#heldTcp.size >= maxHeld) this.letGo();
    const bind = (family: MetricFamily<Counter, TcpNames>, metric: MetricKey): Counter | undefined =>
      plan.disabled.has(metric) ? undefined : family.bind(this.#tcpSet(facts, record, plan, metric));
    const series = {
      opened: bind(this.#opened, 'opened'),
      closed: bind(this.#closed, 'closed'),
      sent: bind(this.#sent, 'sent'),
      received: bind(this.#received, 'received'),
    };
    this.#heldTcp.set(key, series);
    return series;
  }

  /** Equal for facts that make equal labels; building the labels for each request would cost more than the rest. */
  #keyOf({ reporter, downstream, target, endpoint, protocol, flags }: TrafficFacts): string {
    const source = this.#id(downstream.source);
    const destination = this.#id(endpoint?.workload);
    return `${reporter} ${source} ${downstream.peer?.principal} ${destination} ${target?.key} ${protocol} ${flags}`;
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
}

function requestFacts(record: RequestRecord, reporter: TrafficFacts['reporter']): TrafficFacts {
  const { facts: downstream, target, endpoint, isGrpc, flags } = record;
  return { reporter, downstream, target, endpoint, protocol: isGrpc ? 'grpc' : 'http', flags };
}

function httpLabels(
  facts: TrafficFacts,
  { status, grpcStatus }: RequestRecord,
  hidden: ReadonlySet<string> | undefined,
): string[] {
  const code = hidden?.has('response_code') === true ? '' : String(status);
  const grpc = grpcStatus === undefined || hidden?.has('grpc_response_status') === true ? '' : String(grpcStatus);
  return [...commonLabels(facts, hidden), code, grpc];
}

function valuesOf(tags: TagPlan, record: RequestRecord | TcpRecord): readonly string[] {
  return tagValues(tags, new TrafficAttributes(record));
}

/** What tells requests apart whose labels expressions say. */
function tagKey({ tags }: MetricPlan, record: RequestRecord | TcpRecord): string {
  return tags === undefined ? '' : `\0${valuesOf(tags, record).join('\0')}`;
}

function isMetricKey(name: string): name is MetricKey {
  return Object.hasOwn(metricNames, name);
}
