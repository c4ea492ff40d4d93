import assert from 'node:assert/strict';
import { test } from 'node:test';

import { proxy as proxyMessages, trace as messages } from '@ambit/api';
import { fromBinary } from '@bufbuild/protobuf';

import type { FakeAttempt } from '../test-support/fake-upstreams.ts';
import { gatewayFacts, Lab, type LabOptions, service } from '../test-support/lab.ts';
import { forwardTo } from '../test-support/route-messages.ts';

function labWith(tracing: object = {}, options: LabOptions = {}): Lab {
  const whole = {
    enabled: true,
    samplePerTenThousand: 10_000,
    collector: { hostname: 'otel', port: 4317 },
    ignoresRequestId: true,
    ...tracing,
  };
  return new Lab({
    proxy: { telemetry: { tracing: whole } },
    destinations: [service('otel', { namespace: 'observe' })],
    ...options,
  });
}

const tag = (name: string, source: object): object => ({ name, source });

const exportsOf = (lab: Lab): readonly FakeAttempt[] =>
  lab.upstreams.attempts.filter(({ target }) => target.key === 'observe/otel/4317/');

/** `prefixBytes`: before the message; OTLP over HTTP has none. */
function spansOf(attempt: FakeAttempt | undefined, prefixBytes = 5): readonly messages.Span[] {
  const frame = Buffer.from(attempt?.body ?? '', 'latin1');
  const { resourceSpans } = fromBinary(messages.ExportTraceServiceRequestSchema, frame.subarray(prefixBytes));
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
  const lab = labWith({
    tags: [
      tag('team', { case: 'literal', value: 'shop' }),
      tag('tenant', { case: 'header', value: { name: 'X-Tenant', fallback: 'nobody' } }),
      tag('guest', { case: 'header', value: { name: 'X-Guest', fallback: 'nobody' } }),
    ],
  });
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
    ['guest', 'nobody'],
    ['istio.canonical_service', 'waypoint'],
    ['istio.canonical_revision', 'latest'],
    ['istio.mesh_id', 'cluster.local'],
    ['istio.namespace', 'shop'],
    ['istio.cluster_id', 'Kubernetes'],
    ['user_agent', 'curl'],
    ['error', undefined],
  ] as const) {
    assert.equal(attributes[key], value, key);
  }
  attempt?.answer(200, '', { 'grpc-status': '0' });
  lab.assertNothingHeld();
});

test('tags come from the environment and by formats too, and what has no value is left out', () => {
  const environment = (name: string, fallback: string): object => ({ case: 'environment', value: { name, fallback } });
  const lab = labWith(
    {
      tags: [
        tag('zone', environment('ZONE', 'none')),
        tag('rack', environment('RACK', 'none')),
        tag('nothing', environment('RACK', '')),
        tag('absent', { case: 'header', value: { name: 'x-absent' } }),
        tag('line', {
          case: 'format',
          value: '%REQ(:METHOD)% %RESPONSE_CODE% %ENVIRONMENT(ZONE)% %HOSTNAME%%NO_SUCH%',
        }),
        tag('empty', { case: 'format', value: '%REQ(X-ABSENT)%' }),
        tag('too long', { case: 'format', value: 'x'.repeat(20_000) }),
      ],
    },
    { environment: { ZONE: 'b' } },
  );
  ask(lab);
  lab.timers.advance(1000);
  const attributes = attributesOf(spansOf(exportsOf(lab)[0])[0]);
  const found = ['zone', 'rack', 'nothing', 'absent', 'line', 'empty', 'too long'].map((name) => attributes[name]);
  assert.deepEqual(found, ['b', 'none', undefined, undefined, 'GET 200 b waypoint-1', undefined, undefined]);
});

test('without the tags of Istio nothing is said of the proxy and of dry runs', () => {
  const lab = labWith({ omitsIstioTags: true, maxUrlChars: 10 });
  ask(lab);
  lab.timers.advance(1000);
  const attributes = attributesOf(spansOf(exportsOf(lab)[0])[0]);
  assert.equal(attributes['http.url'], 'http://sho');
  assert.deepEqual(
    Object.keys(attributes).filter((name) => name.startsWith('istio.')),
    [],
  );
});

test('the decision is kept in the request id', () => {
  const lab = labWith({ ignoresRequestId: false });
  ask(lab, 200, { 'x-request-id': '00000001-1111-4222-8333-444455556666' });
  assert.equal(lab.upstreams.last.sent?.headers['x-request-id'], '00000001-1111-9222-8333-444455556666');
  ask(lab, 200, { 'x-request-id': 'mine' });
  lab.timers.advance(1000);
  assert.equal(spansOf(exportsOf(lab)[0]).length, 1);
});

test('a gateway tells of its call in a span of its own', () => {
  const lab = labWith();
  const gateway = new Lab({
    facts: gatewayFacts,
    proxy: { kind: proxyMessages.Proxy_Kind.GATEWAY, telemetry: lab.config.proxy.telemetry ?? {} },
    destinations: [service('otel', { namespace: 'observe' })],
    servers: [
      {
        port: 80,
        listeners: [
          {
            name: 'http',
            protocol: proxyMessages.ServerListener_ServerProtocol.SERVER_HTTP,
            hosts: [{ routes: [{ name: 'r', action: forwardTo('shop.shop.svc.cluster.local') }] }],
          },
        ],
      },
    ],
  });
  gateway.request();
  gateway.upstreams.last.answer(503, '');
  gateway.timers.advance(1000);
  const [own, call, ...more] = spansOf(exportsOf(gateway)[0]);
  assert.equal(more.length, 0);
  assert.ok(own !== undefined && call !== undefined);
  assert.deepEqual([own.kind, call.kind], [messages.Span_SpanKind.SERVER, messages.Span_SpanKind.CLIENT]);
  assert.deepEqual(call.parentSpanId, own.spanId);
  assert.deepEqual(call.traceId, own.traceId);
  assert.equal(call.name, 'router outbound|80||shop.shop.svc.cluster.local egress');
  const attributes = attributesOf(call);
  assert.deepEqual([attributes['http.status_code'], attributes['error']], ['503', 'true']);
  assert.equal(attributes['upstream_address'], attributes['peer.address']);
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

test('spans go over HTTP where the collector has a path, with its headers and in its time', () => {
  const headers = { 'x-key': 'secret', 'bad name': 'x' };
  const collector = { hostname: 'otel', port: 4317, httpPath: '/v1/traces', timeout: { seconds: 2n }, headers };
  const lab = labWith({ collector });
  ask(lab);
  lab.timers.advance(1000);
  const [attempt] = exportsOf(lab);
  const { method, target, authority, headers: sent } = attempt?.sent ?? {};
  assert.deepEqual([method, authority, target], ['POST', 'otel:4317', '/v1/traces']);
  assert.deepEqual(sent, { 'content-type': 'application/x-protobuf', 'x-key': 'secret' });
  assert.equal(spansOf(attempt, 0).length, 1);
  lab.timers.advance(1999);
  assert.equal(lab.spans.droppedSpans, 0);
  lab.timers.advance(1);
  assert.equal(lab.spans.droppedSpans, 1);
  lab.assertNothingHeld();
});

test('headers go with calls by gRPC too, and the environment says more of the proxy', () => {
  const environment = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=edge%20one,team = web,nothing,bad=%zz' };
  const collector = { hostname: 'otel', port: 4317, headers: { authorization: 'Bearer x' }, readsEnvironment: true };
  const lab = labWith({ collector }, { environment });
  ask(lab);
  lab.timers.advance(1000);
  const [attempt] = exportsOf(lab);
  assert.equal(attempt?.sent?.headers['authorization'], 'Bearer x');
  const { resourceSpans } = fromBinary(
    messages.ExportTraceServiceRequestSchema,
    Buffer.from(attempt?.body ?? '', 'latin1').subarray(5),
  );
  const told = Object.fromEntries(
    resourceSpans[0]?.resource?.attributes.map(({ key, value }) => [key, value?.value.value]) ?? [],
  );
  assert.deepEqual(told, {
    'service.name': 'edge one',
    'k8s.cluster.name': 'Kubernetes',
    'k8s.pod.name': 'waypoint-1',
    team: 'web',
    bad: '%zz',
  });
});

test('services with collectors of their own do not share a batch', () => {
  const lab = labWith();
  ask(lab);
  lab.config = labWith({ collector: { hostname: 'otel', port: 4318 } }).config;
  ask(lab);
  lab.timers.advance(1000);
  const keys = lab.upstreams.attempts.map(({ target }) => target.key).filter((key) => key.startsWith('observe/'));
  assert.deepEqual(keys, ['observe/otel/4317/', 'observe/otel/4318/']);
});

test('a collector that is not configured here gets nothing', () => {
  const lab = labWith({ collector: { hostname: 'elsewhere', port: 4317 } });
  ask(lab);
  lab.timers.advance(1000);
  assert.equal(lab.spans.droppedSpans, 1);
  lab.assertNothingHeld();
});
