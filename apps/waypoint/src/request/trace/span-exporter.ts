/** Sends spans to the OTLP collectors that the configuration names. */
import { type proxy, trace as messages } from '@ambit/api';
import { create, toBinary } from '@bufbuild/protobuf';

import { type ConfigSnapshot, telemetryOf } from '../../config/config-snapshot.ts';
import type { RequestRecord } from '../request-record.ts';
import type { OtlpQueue, OtlpSurroundings } from './otlp-queue.ts';
import { OtlpQueues, type OtlpSignal } from './otlp-queues.ts';
import { type Attribute, type OtlpProducer, textAttribute } from './otlp-resource.ts';
import { callSpan, requestSpan } from './request-span.ts';
import { type SpanPlan, spanPlan } from './span-tags.ts';

/** Who gets the spans of sampled requests. */
export interface SpanSink {
  /** At the end of the request, whose record has a trace. */
  add(record: RequestRecord, config: ConfigSnapshot): void;
}

export interface SpanExporterOptions extends OtlpSurroundings, OtlpProducer {
  readonly namespace: string;
  /** Name of the Gateway. */
  readonly gateway: string;
  readonly trustDomain: string;
}

/** Tracing settings as they are acted on. */
interface Plan {
  readonly spans: SpanPlan;
  readonly queue: OtlpQueue<messages.Span> | undefined;
}

const signal: OtlpSignal<messages.Span> = {
  method: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  encode: (attributes, spans) =>
    toBinary(
      messages.ExportTraceServiceRequestSchema,
      create(messages.ExportTraceServiceRequestSchema, {
        resourceSpans: [
          {
            resource: { attributes: [...attributes] },
            scopeSpans: [{ scope: { name: 'ambit-waypoint' }, spans: [...spans] }],
          },
        ],
      }),
    ),
};

export class SpanExporter implements SpanSink {
  readonly #options: SpanExporterOptions;
  readonly #proxyTags: readonly Attribute[];
  /** What was made of each configuration. */
  readonly #plans = new WeakMap<proxy.Telemetry_Tracing, Plan>();
  readonly #queues: OtlpQueues<messages.Span>;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#queues = new OtlpQueues(options, signal);
    this.#proxyTags = [
      textAttribute('istio.canonical_revision', 'latest'),
      textAttribute('istio.canonical_service', options.gateway),
      textAttribute('istio.mesh_id', options.trustDomain),
      textAttribute('istio.namespace', options.namespace),
      textAttribute('istio.cluster_id', options.clusterId),
    ];
  }

  /** Spans that no collector took. */
  get droppedSpans(): number {
    return this.#queues.dropped;
  }

  add(record: RequestRecord, config: ConfigSnapshot): void {
    const tracing = telemetryOf(config, record.facts.served)?.tracing;
    const { trace } = record;
    if (trace === undefined || tracing === undefined) return;
    const { spans, queue } = this.#planOf(tracing);
    queue?.add(config, () => requestSpan(record, trace, spans, this.#proxyTags));
    const call = callSpan(record, trace);
    if (call !== undefined) queue?.add(config, () => call);
  }

  #planOf(tracing: proxy.Telemetry_Tracing): Plan {
    let plan = this.#plans.get(tracing);
    if (plan === undefined) {
      const spans = spanPlan(tracing, this.#options.constants);
      plan = { spans, queue: tracing.collector === undefined ? undefined : this.#queues.of(tracing.collector) };
      this.#plans.set(tracing, plan);
    }
    return plan;
  }
}
