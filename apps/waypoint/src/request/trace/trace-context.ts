/** Which trace a request belongs to: read from the client's headers or begun here, and told to the backend. */
import { randomBytes } from 'node:crypto';

import type { FieldList } from '@ambit/exchange';

/** One span of a trace: this proxy's. Lower-case hex. */
export interface TraceContext {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  /** Undefined: the trace begins here. */
  readonly parentSpanId: string | undefined;
  /** Of a span below this one, which the backend is told of; undefined: it is told of this one. */
  readonly clientSpanId: string | undefined;
  readonly isSampled: boolean;
  readonly traceState: string | undefined;
}

interface IncomingTrace {
  readonly style: 'w3c' | 'b3' | 'b3-single';
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined: the caller leaves it to us. */
  readonly isSampled: boolean | undefined;
}

const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = '0'.repeat(32);
const noSpan = '0'.repeat(16);

/** How requests come into traces. */
export interface TraceRules {
  /** Of requests about which nobody has decided. */
  readonly samplePerTenThousand: number;
  /** The decision is drawn; else it is read from, and written into, the request id. */
  readonly ignoresRequestId: boolean;
  /** Headers of trace contexts pass untouched. */
  readonly stopsPropagation: boolean;
}

/** Of a waypoint, and of a gateway, which tells of its call in a span of its own. */
export type SpanCount = 1 | 2;

/**
 * Takes the request into a trace and tells the backend in the words that the client used: W3C always, B3 too where it came.
 * The caller's decision to sample wins. `random`: 0 to under 1. Spec: W3C Trace Context; B3; contract l7 7.4, 7.5.
 */
export function takeIntoTrace(
  fields: FieldList,
  rules: TraceRules,
  spans: SpanCount,
  random: () => number,
): TraceContext {
  const incoming = readW3c(fields) ?? readB3(fields);
  const isSampled = incoming?.isSampled ?? isSampledHere(fields, rules, random);
  const ids = randomBytes(16 + 8 * spans).toString('hex');
  const traceId = incoming?.traceId ?? ids.slice(0, 32);
  const spanId = ids.slice(32, 48);
  const clientSpanId = spans === 1 ? undefined : ids.slice(48);
  const traceState = incoming?.style === 'w3c' ? fields.joined('tracestate') : undefined;
  const context = { traceId, spanId, parentSpanId: incoming?.spanId, clientSpanId, isSampled, traceState };
  if (!rules.stopsPropagation) tell(fields, context, incoming?.style);
  return context;
}

function tell(fields: FieldList, context: TraceContext, style: IncomingTrace['style'] | undefined): void {
  const { traceId, isSampled, traceState } = context;
  const spanId = context.clientSpanId ?? context.spanId;
  const parentSpanId = (context.clientSpanId === undefined ? context.parentSpanId : context.spanId) ?? '';
  // A state without a parent belongs to nothing.
  if (traceState === undefined) fields.remove('tracestate');
  fields.set('traceparent', `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`);
  const flag = isSampled ? '1' : '0';
  if (style === 'b3-single') fields.set('b3', `${traceId}-${spanId}-${flag}-${parentSpanId}`);
  if (style === 'b3') {
    fields.set('x-b3-traceid', traceId);
    fields.set('x-b3-spanid', spanId);
    fields.set('x-b3-parentspanid', parentSpanId);
    fields.set('x-b3-sampled', flag);
    fields.remove('x-b3-flags');
  }
}

function isSampledHere(fields: FieldList, rules: TraceRules, random: () => number): boolean {
  if (rules.ignoresRequestId) return random() * 10_000 < rules.samplePerTenThousand;
  const id = fields.get('x-request-id') ?? '';
  // What is no UUID says nothing, and nothing can be written into it.
  if (id.length !== uuidChars || !/^[0-9a-f]{8}-/i.test(id)) return false;
  const number = Number.parseInt(id, 16);
  if (decidedIds.has(id[decisionAt] ?? '')) return true;
  const isForced = fields.has('x-client-trace-id');
  if (!isForced && number % 10_000 >= rules.samplePerTenThousand) return false;
  fields.set('x-request-id', `${id.slice(0, decisionAt)}${isForced ? 'b' : '9'}${id.slice(decisionAt + 1)}`);
  return true;
}

const uuidChars = 36;
/** The digit of a UUID that says its version: 4 until somebody decides. Envoy: uuid request id extension. */
const decisionAt = 14;
/** Sampled, forced by a service, forced by a client. */
const decidedIds: ReadonlySet<string> = new Set(['9', 'a', 'b']);

/** For copies of requests: nobody is to record them. */
export function withoutSampling(fields: FieldList): void {
  const value = fields.get('traceparent');
  if (value !== undefined && traceparent.test(value)) fields.set('traceparent', `${value.slice(0, 53)}00`);
  if (fields.has('x-b3-sampled')) fields.set('x-b3-sampled', '0');
  const b3 = fields.get('b3')?.split('-');
  if (b3 !== undefined && b3.length > 2) fields.set('b3', [b3[0], b3[1], '0', ...b3.slice(3)].join('-'));
}

function readW3c(fields: FieldList): IncomingTrace | undefined {
  const [, version, traceId, spanId, flags, rest] = traceparent.exec(fields.get('traceparent') ?? '') ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Later versions may say more; this one says exactly so much.
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (traceId === noTrace || spanId === noSpan) return undefined;
  return { style: 'w3c', traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function readB3(fields: FieldList): IncomingTrace | undefined {
  const single = fields.get('b3');
  if (single !== undefined) {
    const [traceId = '', spanId = '', decision] = single.toLowerCase().split('-', 4);
    return incomingB3('b3-single', traceId, spanId, decision);
  }
  const decision = fields.get('x-b3-flags') === '1' ? 'd' : fields.get('x-b3-sampled')?.toLowerCase();
  const traceId = fields.get('x-b3-traceid')?.toLowerCase() ?? '';
  return incomingB3('b3', traceId, fields.get('x-b3-spanid')?.toLowerCase() ?? '', decision);
}

function incomingB3(
  style: 'b3' | 'b3-single',
  traceId: string,
  spanId: string,
  decision: string | undefined,
): IncomingTrace | undefined {
  if (!/^(?:[0-9a-f]{16}){1,2}$/.test(traceId) || !/^[0-9a-f]{16}$/.test(spanId)) return undefined;
  const whole = traceId.padStart(32, '0');
  if (whole === noTrace || spanId === noSpan) return undefined;
  return { style, traceId: whole, spanId, isSampled: b3Decisions.get(decision ?? '') };
}

const b3Decisions: ReadonlyMap<string, boolean> = new Map([
  ['0', false],
  ['false', false],
  ['1', true],
  ['true', true],
  ['d', true],
]);
