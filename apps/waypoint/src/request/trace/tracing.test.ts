import assert from 'node:assert/strict';
import { test } from 'node:test';

import { trace as messages } from '@ambit/api';
import { fromBinary } from '@bufbuild/protobuf';

import type { FakeAttempt } from '../test-support/fake-upstreams.ts';
import { Lab, type LabOptions, service } from '../test-support/lab.ts';

function labWith(tracing: object = {}, options: LabOptions = {}): Lab {
  const whole = {
    enabled: true,
    samplePerTenThousand: 10_000,
    otlpServiceHostname: 'otel',
    otlpServicePort: 4317,
    ...tracing,
  };
  return new Lab({
    proxy: { telemetry: { tracing: whole } },
    destinations: [service('otel', { namespace: 'observe' })],
    ...options,
  });
}

const exportsOf = (lab: Lab): readonly FakeAttempt[] =>
  lab.upstreams.attempts.filter(({ target }) => target.key === 'observe/otel/4317/');

function spansOf(attempt: FakeAttempt | undefined): readonly messages.Span[] {
  const frame = Buffer.from(attempt?.body ?? '', 'latin1');
  const { resourceSpans } = fromBinary(messages.ExportTraceServiceRequestSchema, frame.subarray(5));
  assert.deepEqual(resourceSpans[0]?.resource?.attributes[0]?.value?.value, {
    case: 'stringValue',
    value: 'waypoint.shop',
  });
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

function attributesOf(span: messages.Span | undefined): Record<string, unknown> {
  return Object.fromEntries((span?.attributes ?? []).map(({ key, value }) => [key, value?.value.value]));
}

function ask(lab: Lab, status = 200, headers: Record<string, string> = {}, durationMs = 5): void {
  lab.request({ target: '/a', headers });
  lab.timers.advance(durationMs);
  lab.upstreams.last.answer(status, 'ok');
}

test('a sampled request becomes a span of the collector, with the names that users know', () => {
  const lab = labWith({ literalTags: { team: 'shop' }, headerTags: { tenant: 'X-Tenant' } });
  const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  ask(lab, 200, { traceparent: parent, 'x-tenant': 'blue', 'user-agent': 'curl' });
  const sent = lab.upstreams.last.sent?.headers['traceparent'] ?? '';
  lab.timers.advance(1000);
  const [attempt] = exportsOf(lab);
  assert.equal(attempt?.sent?.target, '/opentelemetry.proto.collector.trace.v1.TraceService/Export');
  const [span, ...more] = spansOf(attempt);
  assert.equal(more.length, 0);
  assert.ok(span !== undefined);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  assert.equal(`00-${hex(span.traceId)}-${hex(span.spanId)}-01`, sent);
  assert.equal(hex(span.parentSpanId), '00f067aa0ba902b7');
  assert.equal(span.name, 'shop.shop.svc.cluster.local:80/*');
  assert.equal(span.endTimeUnixNano - span.startTimeUnixNano, 5_000_000n);
  const attributes = attributesOf(span);
  for (const [key, value] of [
    ['component', 'proxy'],
    ['http.url', 'http://shop.example.com/a'],
    ['http.status_code', '200'],
    ['upstream_cluster', 'inbound-vip|80|http|shop.shop.svc.cluster.local'],
    ['response_flags', '-'],
    ['team', 'shop'],
    ['tenant', 'blue'],
    ['user_agent', 'curl'],
    ['error', undefined],
  ] as const) {
    assert.equal(attributes[key], value, key);
  }
  attempt?.answer(200, '', { 'grpc-status': '0' });
  lab.assertNothingHeld();
});

test('an error is marked as one', () => {
  const lab = labWith();
  ask(lab, 503);
  lab.timers.advance(1000);
  const [span] = spansOf(exportsOf(lab)[0]);
  assert.equal(span?.status?.code, messages.Status_StatusCode.ERROR);
  assert.equal(attributesOf(span)['error'], 'true');
});

test('without sampling there is a context and no span; without tracing headers pass untouched', () => {
  const unsampled = labWith({ samplePerTenThousand: 0 });
  ask(unsampled);
  assert.match(unsampled.upstreams.last.sent?.headers['traceparent'] ?? '', /-00$/);
  unsampled.timers.advance(5000);
  assert.equal(exportsOf(unsampled).length, 0);
  const off = new Lab();
  off.request({ headers: { traceparent: 'whatever', b3: '0' } });
  assert.equal(off.upstreams.last.sent?.headers['traceparent'], 'whatever');
  assert.equal(off.upstreams.last.sent?.headers['b3'], '0');
});

test('spans go in batches, one at a time, and a collector that is away costs them, not memory', () => {
  const lab = labWith();
  for (let i = 0; i < 600; i++) ask(lab, 200, {}, 0);
  const [first, ...more] = exportsOf(lab);
  assert.equal(more.length, 0);
  assert.equal(spansOf(first).length, 512);
  for (let i = 0; i < 3000; i++) ask(lab, 200, {}, 0);
  assert.equal(lab.spans.droppedSpans, 3600 - 512 - 2048);
  first?.break('lost');
  assert.equal(lab.spans.droppedSpans, 3600 - 2048);
  for (let i = 0; i < 10; i++) {
    lab.timers.advance(1000);
    const last = exportsOf(lab).at(-1);
    if (last?.result === undefined) last?.answer(200, '', { 'grpc-status': '0' });
  }
  assert.equal(exportsOf(lab).length, 5);
  lab.assertNothingHeld();
});

test('a collector that is not configured here gets nothing', () => {
  const lab = labWith({ otlpServiceHostname: 'elsewhere' });
  ask(lab);
  lab.timers.advance(1000);
  assert.equal(lab.spans.droppedSpans, 1);
  lab.assertNothingHeld();
});
