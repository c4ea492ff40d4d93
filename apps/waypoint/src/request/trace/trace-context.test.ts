import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { fieldList, fieldsOf, type HeaderPairs } from '../test-support/fake-server-exchange.ts';
import { type SpanCount, takeIntoTrace, type TraceContext, type TraceRules, withoutSampling } from './trace-context.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';

function taken(
  headers: HeaderPairs,
  share = 0,
  more: Partial<TraceRules> = {},
  spans: SpanCount = 1,
): { readonly context: TraceContext; readonly sent: Record<string, string> } {
  const fields = fieldList(headers);
  const rules = { samplePerTenThousand: share, ignoresRequestId: true, stopsPropagation: false, ...more };
  const context = takeIntoTrace(fields, rules, spans, () => 0.5);
  return { context, sent: fieldsOf(fields) };
}

test('a W3C trace goes on with a span of our own, and the caller’s decision wins', () => {
  for (const [flags, share, isSampled] of [
    ['01', 0, true],
    ['00', 10_000, false],
    ['03', 0, true],
  ] as const) {
    const { context, sent } = taken({ traceparent: `00-${trace}-${span}-${flags}`, tracestate: ['a=1', 'b=2'] }, share);
    assert.deepEqual([context.traceId, context.parentSpanId, context.isSampled], [trace, span, isSampled]);
    assert.notEqual(context.spanId, span);
    assert.equal(sent['traceparent'], `00-${trace}-${context.spanId}-${isSampled ? '01' : '00'}`);
    assert.deepEqual([sent['tracestate'], context.traceState], ['a=1,b=2', 'a=1,b=2']);
  }
});

test('a trace begins here when none came, sampled by the share', () => {
  for (const [share, isSampled] of [
    [0, false],
    [5000, false],
    [5001, true],
    [10_000, true],
  ] as const) {
    const { context, sent } = taken({}, share);
    assert.equal(context.isSampled, isSampled);
    assert.equal(context.parentSpanId, undefined);
    assert.match(sent['traceparent'] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  }
});

/** The first eight digits are 10,012 and so 12 of ten thousand. */
const requestId = '0000271c-1111-4222-8333-444455556666';

for (const [id, headers, share, isSampled, sentId] of [
  [requestId, {}, 12, false, requestId],
  [requestId, {}, 13, true, requestId.replace('-4', '-9')],
  [requestId.replace('-4', '-9'), {}, 0, true, requestId.replace('-4', '-9')],
  [requestId.replace('-4', '-a'), {}, 0, true, requestId.replace('-4', '-a')],
  [requestId, { 'x-client-trace-id': 'x' }, 0, true, requestId.replace('-4', '-b')],
  ['order-17', {}, 10_000, false, 'order-17'],
  ['x'.repeat(36), {}, 10_000, false, 'x'.repeat(36)],
  [requestId, { traceparent: `00-${trace}-${span}-00` }, 10_000, false, requestId],
] as const)
  test(`request id ${id}, ${share} of ten thousand, ${Object.keys(headers).join() || 'no trace'}: ${isSampled ? 'sampled' : 'not sampled'}`, () => {
    const { context, sent } = taken({ 'x-request-id': id, ...headers }, share, { ignoresRequestId: false });
    assert.deepEqual([context.isSampled, sent['x-request-id']], [isSampled, sentId]);
  });

test('a trace that is not to be told on has a context, and headers stay as they came', () => {
  const headers = { traceparent: `00-${trace}-${span}-01`, tracestate: 'a=1' };
  const { context, sent } = taken(headers, 0, { stopsPropagation: true });
  assert.deepEqual([context.traceId, context.parentSpanId, context.isSampled], [trace, span, true]);
  assert.deepEqual(sent, headers);
  assert.deepEqual(taken({}, 10_000, { stopsPropagation: true }).sent, {});
});

test('what is no trace context begins a new one, and its state goes', () => {
  for (const traceparent of [
    '',
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `00-${trace}-${span}`,
  ]) {
    const { context, sent } = taken({ traceparent, tracestate: 'a=1' });
    assert.notEqual(context.traceId, trace, traceparent);
    assert.equal(sent['tracestate'], undefined);
  }
  assert.equal(taken({ traceparent: `01-${trace}-${span}-01-more` }).context.traceId, trace, 'a later version');
});

test('B3 is read in both forms, and told on in the same and as W3C', () => {
  const multi = taken({ 'x-b3-traceid': trace, 'x-b3-spanid': span, 'x-b3-sampled': '1' });
  assert.deepEqual([multi.context.traceId, multi.context.parentSpanId, multi.context.isSampled], [trace, span, true]);
  assert.deepEqual(multi.sent, {
    'x-b3-traceid': trace,
    'x-b3-spanid': multi.context.spanId,
    'x-b3-parentspanid': span,
    'x-b3-sampled': '1',
    traceparent: `00-${trace}-${multi.context.spanId}-01`,
  });
  const short = taken({ 'x-b3-traceid': trace.slice(16), 'x-b3-spanid': span, 'x-b3-flags': '1' });
  assert.deepEqual([short.context.traceId, short.context.isSampled], ['0'.repeat(16) + trace.slice(16), true]);
  const single = taken({ b3: `${trace}-${span}-0` }, 10_000);
  assert.equal(single.context.isSampled, false);
  assert.equal(single.sent['b3'], `${trace}-${single.context.spanId}-0-${span}`);
  assert.equal(taken({ b3: `${trace}-${span}` }, 10_000).context.isSampled, true, 'the decision is ours');
});

test('a gateway tells the backend of the span of its call, below its own', () => {
  const { context, sent } = taken({ b3: `${trace}-${span}-1` }, 0, {}, 2);
  const { spanId, clientSpanId } = context;
  assert.notEqual(spanId, clientSpanId);
  assert.equal(sent['traceparent'], `00-${trace}-${clientSpanId}-01`);
  assert.equal(sent['b3'], `${trace}-${clientSpanId}-1-${spanId}`);
});

test('a copy of a request is not sampled, in any words', () => {
  const fields = fieldList({
    traceparent: `00-${trace}-${span}-01`,
    'x-b3-sampled': '1',
    b3: `${trace}-${span}-1-${span}`,
  });
  withoutSampling(fields);
  assert.deepEqual(fieldsOf(fields), {
    traceparent: `00-${trace}-${span}-00`,
    'x-b3-sampled': '0',
    b3: `${trace}-${span}-0-${span}`,
  });
});

test('whatever a client sends, the backend gets a legal context', () => {
  const name = fc.constantFrom(
    'traceparent',
    'tracestate',
    'b3',
    'x-b3-traceid',
    'x-b3-spanid',
    'x-b3-sampled',
    'x-b3-flags',
  );
  const value = fc.oneof(
    fc.string({ unit: 'grapheme-ascii' }),
    fc.constantFrom(trace, span, `00-${trace}-${span}-01`, '1', 'd'),
  );
  fc.assert(
    fc.property(fc.dictionary(name, value), (headers) => {
      const { context, sent } = taken(headers);
      assert.match(sent['traceparent'] ?? '', /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
      assert.ok((sent['traceparent'] ?? '').includes(context.spanId));
    }),
    { numRuns: 500 },
  );
});
