/** Sends spans to an OTLP collector in the mesh, by gRPC over the same upstreams as requests. */
import { type proxy, trace as messages } from '@ambit/api';
import { frameOf } from '@ambit/grpc';
import type { LogConstants } from '@ambit/telemetry';
import { create, toBinary } from '@bufbuild/protobuf';

import { type ServiceTarget, serviceTarget } from '../../config/backend-target.ts';
import { type ConfigSnapshot, telemetryOf } from '../../config/config-snapshot.ts';
import { Alarm, type AlarmUser } from '../alarm.ts';
import { grpcCallHead } from '../grpc-call.ts';
import type { RequestRecord } from '../request-record.ts';
import type { Timers } from '../timers.ts';
import { UnaryExchange } from '../unary-exchange.ts';
import type { Upstreams } from '../upstream.ts';
import { type Attribute, requestSpan } from './request-span.ts';
import { type SpanPlan, spanPlan } from './span-tags.ts';

/** Who gets the spans of sampled requests. */
export interface SpanSink {
  /** At the end of the request, whose record has a trace. */
  add(record: RequestRecord, config: ConfigSnapshot): void;
}

export interface SpanExporterOptions {
  readonly timers: Timers;
  readonly upstreams: Upstreams;
  /** `<service account>.<namespace>` of the proxy. */
  readonly serviceName: string;
  readonly clusterId: string;
  readonly podName: string;
  readonly namespace: string;
  /** Name of the Gateway. */
  readonly gateway: string;
  readonly trustDomain: string;
  readonly constants: LogConstants;
}

const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const batchSpans = 512;
/** Kept while a collector is slow or away; more are dropped. */
const maxWaiting = 2048;
const intervalMs = 1000;
const timeoutMs = 10_000;

export class SpanExporter implements SpanSink, AlarmUser<'flush'> {
  readonly #options: SpanExporterOptions;
  readonly #alarm: Alarm<'flush'>;
  readonly #proxyTags: readonly Attribute[];
  /** What was compiled of each configuration. */
  readonly #plans = new WeakMap<proxy.Telemetry_Tracing, SpanPlan>();
  #waiting: messages.Span[] = [];
  #target: ServiceTarget | undefined;
  #isAlarmSet = false;
  #isSending = false;
  #dropped = 0;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.timers, this, 'flush');
    this.#proxyTags = [
      attribute('istio.canonical_revision', 'latest'),
      attribute('istio.canonical_service', options.gateway),
      attribute('istio.mesh_id', options.trustDomain),
      attribute('istio.namespace', options.namespace),
      attribute('istio.cluster_id', options.clusterId),
    ];
  }

  /** Spans that no collector took. */
  get droppedSpans(): number {
    return this.#dropped;
  }

  add(record: RequestRecord, config: ConfigSnapshot): void {
    const tracing = telemetryOf(config, record.facts.served)?.tracing;
    if (record.trace === undefined || tracing === undefined) return;
    this.#target = collectorOf(config, tracing.otlpServiceHostname, tracing.otlpServicePort);
    if (this.#target === undefined || this.#waiting.length >= maxWaiting) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(requestSpan(record, record.trace, this.#planOf(tracing), this.#proxyTags));
    if (this.#waiting.length >= batchSpans) this.#send();
    else this.#setAlarm();
  }

  onAlarm(): void {
    this.#isAlarmSet = false;
    this.#send();
  }

  #planOf(tracing: proxy.Telemetry_Tracing): SpanPlan {
    let plan = this.#plans.get(tracing);
    if (plan === undefined) this.#plans.set(tracing, (plan = spanPlan(tracing, this.#options.constants)));
    return plan;
  }

  #setAlarm(): void {
    if (this.#isAlarmSet || this.#isSending) return;
    this.#isAlarmSet = true;
    this.#alarm.set(intervalMs);
  }

  /** One batch at a time; what fails is lost, as a second copy would be worse than none. */
  #send(): void {
    const target = this.#target;
    if (this.#isSending || target === undefined || this.#waiting.length === 0) return;
    const spans = this.#waiting.splice(0, batchSpans);
    this.#isSending = true;
    const peer = { target, timeoutMs };
    const exchange = new UnaryExchange(this.#options, peer, (answer) => {
      this.#isSending = false;
      if (answer?.head.status !== 200) this.#dropped += spans.length;
      if (this.#waiting.length > 0) this.#setAlarm();
    });
    exchange.start(grpcCallHead(peer, path), frameOf(this.#encode(spans)), undefined);
  }

  #encode(spans: messages.Span[]): Uint8Array {
    const { serviceName, clusterId, podName } = this.#options;
    return toBinary(
      messages.ExportTraceServiceRequestSchema,
      create(messages.ExportTraceServiceRequestSchema, {
        resourceSpans: [
          {
            resource: {
              attributes: [
                attribute('service.name', serviceName),
                attribute('k8s.cluster.name', clusterId),
                attribute('k8s.pod.name', podName),
              ],
            },
            scopeSpans: [{ scope: { name: 'ambit-waypoint' }, spans }],
          },
        ],
      }),
    );
  }
}

function attribute(key: string, value: string): Attribute {
  return { key, value: { value: { case: 'stringValue', value } } };
}

/** The collector is a destination of this proxy like any other; undefined if it is not among them. */
function collectorOf({ destinations }: ConfigSnapshot, hostname: string, port: number): ServiceTarget | undefined {
  if (hostname === '') return undefined;
  for (const { destination } of destinations.values()) {
    if (destination.hostname === hostname) return serviceTarget(destination.namespace, hostname, port);
  }
  return undefined;
}
