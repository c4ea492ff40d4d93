/** A finished request as a span of OTLP, with the names that Istio's users look for. Spec: contract l7 7.4. */
import { trace as messages } from '@ambit/api';
import type { Workload } from '@ambit/workload';
import { create } from '@bufbuild/protobuf';

import type { RequestRecord } from '../request-record.ts';
import { type Attribute, textAttribute } from './otlp-resource.ts';
import { type SpanPlan, tagText } from './span-tags.ts';
import type { TraceContext } from './trace-context.ts';

/** `proxyTags`: what Istio says of the proxy itself. */
export function requestSpan(
  record: RequestRecord,
  context: TraceContext,
  plan: SpanPlan,
  proxyTags: readonly Attribute[],
): messages.Span {
  return create(messages.SpanSchema, {
    ...common(record, context),
    spanId: Buffer.from(context.spanId, 'hex'),
    parentSpanId: Buffer.from(context.parentSpanId ?? '', 'hex'),
    name: operationOf(record),
    kind: messages.Span_SpanKind.SERVER,
    attributes: [
      ...requestAttributes(record, plan.maxUrlChars),
      ...(plan.showsIstioTags ? [...proxyTags, ...dryRunAttributes(record)] : []),
      ...peerAttributes(record),
      ...plan.tags.map(([name, source]) => text(name, tagText(source, record))).filter((one) => one !== undefined),
    ],
  });
}

/** Of a gateway's call; undefined where there is none, or nobody was called. */
export function callSpan(record: RequestRecord, context: TraceContext): messages.Span | undefined {
  if (context.clientSpanId === undefined || record.endpoint === undefined) return undefined;
  return create(messages.SpanSchema, {
    ...common(record, context),
    spanId: Buffer.from(context.clientSpanId, 'hex'),
    parentSpanId: Buffer.from(context.spanId, 'hex'),
    name: `router ${record.clusterName} egress`,
    kind: messages.Span_SpanKind.CLIENT,
    attributes: [
      text('component', 'proxy'),
      text('http.protocol', record.head.protocol),
      text('http.status_code', String(record.status)),
      text('response_flags', record.flags === '' ? '-' : record.flags),
      ...upstreamAttributes(record),
      text('peer.address', record.endpoint.address),
      text('error', isFailed(record) ? 'true' : undefined),
    ].filter((one) => one !== undefined),
  });
}

type CommonFields = Pick<messages.Span, 'traceId' | 'traceState' | 'startTimeUnixNano' | 'endTimeUnixNano'> & {
  readonly status: { readonly code: messages.Status_StatusCode };
};

function common(record: RequestRecord, { traceId, traceState = '' }: TraceContext): CommonFields {
  const startNs = BigInt(record.startWallTimeMs) * 1_000_000n;
  const { ERROR, UNSET } = messages.Status_StatusCode;
  return {
    traceId: Buffer.from(traceId, 'hex'),
    traceState,
    startTimeUnixNano: startNs,
    endTimeUnixNano: startNs + BigInt(Math.round(Math.max(record.durationMs, 0) * 1_000_000)),
    status: { code: isFailed(record) ? ERROR : UNSET },
  };
}

function isFailed({ status, grpcStatus = 0 }: RequestRecord): boolean {
  return status >= 500 || status === 0 || grpcStatus !== 0;
}

/** `<host>:<port>/*` of the service that the client asked for. */
function operationOf({ facts, head }: RequestRecord): string {
  const { served } = facts;
  if (served.kind === 'service') return `${served.hostname}:${served.port}/*`;
  return served.kind === 'workload' ? `${served.address}:${served.port}/*` : `${head.authority}/*`;
}

function requestAttributes(record: RequestRecord, maxUrlChars: number): readonly Attribute[] {
  const { head, facts } = record;
  const attributes = [
    text('component', 'proxy'),
    text('guid:x-request-id', head.fields.get('x-request-id')),
    text('http.url', `${head.scheme}://${head.authority}${head.target}`.slice(0, maxUrlChars)),
    text('http.method', head.method),
    text('http.protocol', head.protocol),
    text('http.status_code', String(record.status)),
    text('user_agent', head.fields.get('user-agent') ?? '-'),
    text('peer.address', record.clientAddress ?? facts.sourceAddress),
    text('request_size', String(record.requestBytes)),
    text('response_size', String(record.responseBytes)),
    text('response_flags', record.flags === '' ? '-' : record.flags),
    ...upstreamAttributes(record),
    text('error', isFailed(record) ? 'true' : undefined),
  ];
  if (record.isGrpc) {
    attributes.push(
      text('grpc.path', head.target),
      text('grpc.authority', head.authority),
      text('grpc.content_type', head.fields.get('content-type')),
      text('grpc.timeout', head.fields.get('grpc-timeout')),
      text('grpc.status_code', record.grpcStatus === undefined ? undefined : String(record.grpcStatus)),
      text('grpc.message', record.responseTrailers?.get('grpc-message')),
    );
  }
  return attributes.filter((one) => one !== undefined);
}

function upstreamAttributes({ clusterName, endpoint }: RequestRecord): readonly (Attribute | undefined)[] {
  return [
    text('upstream_cluster', clusterName),
    text('upstream_cluster.name', clusterName),
    text('upstream_address', endpoint?.address),
  ];
}

function dryRunAttributes({ verdict }: RequestRecord): readonly Attribute[] {
  return (verdict?.dryRun ?? [])
    .flatMap(({ policy, action, isMatch }) => {
      const prefix = `istio.authorization.dry_run.${action}_policy`;
      const result = (action === 'allow') === isMatch ? 'allowed' : 'denied';
      return [text(`${prefix}.name`, policy), text(`${prefix}.result`, result)];
    })
    .filter((one) => one !== undefined);
}

function peerAttributes({ facts, endpoint }: RequestRecord): readonly Attribute[] {
  return [...workloadAttributes('source', facts.source), ...workloadAttributes('destination', endpoint?.workload)];
}

function workloadAttributes(side: 'source' | 'destination', workload: Workload | undefined): readonly Attribute[] {
  if (workload === undefined) return [];
  return [
    text(`istio.${side}_workload`, workload.workloadName),
    text(`istio.${side}_namespace`, workload.namespace),
    text(`istio.${side}_cluster_id`, workload.clusterId),
    text(`istio.${side}_canonical_service`, workload.canonicalName),
    text(`istio.${side}_canonical_revision`, workload.canonicalRevision),
    text(`istio.${side}_app`, workload.canonicalName),
    text(`istio.${side}_app_version`, workload.canonicalRevision),
    text(`istio.${side}_workload_type`, workload.workloadType),
    text(`istio.${side}_instance_name`, workload.name),
  ].filter((one) => one !== undefined);
}

/** Undefined, and left out, without a value. */
function text(key: string, value: string | undefined): Attribute | undefined {
  return value === undefined || value === '' ? undefined : textAttribute(key, value);
}
