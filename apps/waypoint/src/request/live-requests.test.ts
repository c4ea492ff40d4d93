/** Requests of Node's clients through a tunnel, a waypoint and real sockets to Node's servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';
import { access, trace } from '@ambit/api';
import { fromBinary } from '@bufbuild/protobuf';
import { destination } from '../data/test-support/mesh-messages.ts';
import { WaypointRig } from '../data/test-support/waypoint-rig.ts';
import { forward, serve, backend } from './test-support/live-backends.ts';

test('retries hide a backend that fails every second time', async () => {
  await using rig = await WaypointRig.open();
  let asked = 0;
  const bodies: string[] = [];
  const web = await backend(rig, 'web', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks).toString());
      asked += 1;
      response.statusCode = asked % 2 === 1 ? 503 : 200;
      response.end(`answer ${asked}`);
    });
  });
  const retries = { maxRetries: 2, conditions: ['503'], reuseEndpoints: true };
  const entry = serve(rig, [web], { httpRoutes: [{ name: 'r', action: forward('web'), retries } as never] });
  for (const expected of ['answer 2', 'answer 4']) {
    const answer = await rig.fetch(entry, '/', { method: 'POST', body: 'order' });
    assert.deepEqual([answer.status, answer.body], [200, expected]);
  }
  assert.deepEqual(bodies, ['order', 'order', 'order', 'order']);
});

test('a slow backend is given up, a fault is injected, a redirect is sent, and the connection goes on', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (request, response) => {
    if (request.url !== '/slow') response.end('quick');
  });
  const at = (value: string): object => ({ path: { kind: { case: 'exact', value } } });
  const entry = serve(rig, [web], {
    httpRoutes: [
      { name: 'slow', matches: [at('/slow')], action: forward('web'), timeout: { nanos: 50_000_000 } },
      {
        name: 'fault',
        matches: [at('/fault')],
        action: forward('web'),
        fault: { abortStatus: 418, abortPerMillion: 1_000_000 },
      },
      {
        name: 'moved',
        matches: [at('/old')],
        action: { case: 'redirect', value: { host: 'new.example', status: 301 } },
      },
      { name: 'rest', action: forward('web') },
    ] as never,
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  rig.defer(() => agent.destroy());
  const statuses: unknown[] = [];
  for (const path of ['/slow', '/fault', '/old', '/']) {
    const answer = await rig.fetch(entry, path, { agent, headers: { host: 'web' } });
    statuses.push([answer.status, answer.headers.location ?? answer.body]);
  }
  assert.deepEqual(statuses, [
    [504, 'upstream request timeout'],
    [418, 'fault filter abort'],
    [301, 'http://new.example/old'],
    [200, 'quick'],
  ]);
  assert.match(rig.accessLog, /"GET \/slow HTTP\/1\.1" 504 UT response_timeout /);
});

test('a mirror receives copies with their bodies', async () => {
  await using rig = await WaypointRig.open();
  const copies: string[] = [];
  const web = await backend(rig, 'web', (request, response) => {
    request.resume();
    request.on('end', () => response.end('original'));
  });
  const copy = await backend(rig, 'copy', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      copies.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`);
      response.statusCode = 500;
      response.end('nobody reads this');
    });
  });
  const mirrors = [
    { backend: { namespace: 'shop', hostname: 'copy.shop.svc.cluster.local', port: 80 }, perMillion: 1_000_000 },
  ];
  const entry = serve(rig, [web, copy], { httpRoutes: [{ name: 'm', action: forward('web'), mirrors } as never] });
  const answer = await rig.fetch(entry, '/buy', { method: 'POST', body: 'one' });
  assert.deepEqual([answer.status, answer.body], [200, 'original']);
  await rig.until(() => copies.length > 0, 'the copy');
  assert.deepEqual(copies, ['POST /buy one']);
});

test('a policy opens and closes a path, for the next request of the same connection', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (_request, response) => void response.end('in'));
  const entry = serve(rig, [web]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  rig.defer(() => agent.destroy());
  const ask = async (path: string): Promise<unknown> => {
    const answer = await rig.fetch(entry, path, { agent });
    return [answer.status, answer.body];
  };
  assert.deepEqual(await ask('/admin'), [200, 'in']);
  const rule = { to: [{ attributes: [{ field: 'paths', values: ['/admin*'] }] }] };
  const policy = { namespace: 'shop', name: 'p', action: access.AuthorizationPolicy_Action.DENY, rules: [rule] };
  rig.configure({ destinations: [destination('web', {}, { access: { policies: [policy] } })] });
  assert.deepEqual(await ask('/%61dmin'), [403, 'RBAC: access denied']);
  assert.deepEqual(await ask('/'), [200, 'in']);
  rig.configure({ destinations: [destination('web')] });
  assert.deepEqual(await ask('/admin'), [200, 'in']);
  assert.match(rig.accessLog, / 403 - rbac_access_denied_matched_policy\[ns\[shop\]-policy\[p\]-rule\[0\]\] /);
});

test('a sampled request is told to the collector, and the backend goes on with the trace', async () => {
  await using rig = await WaypointRig.open();
  const seen: unknown[] = [];
  const web = await backend(rig, 'web', (request, response) => {
    seen.push(request.headers['traceparent']);
    response.end('traced');
  });
  const server = http2.createServer();
  const exported: Buffer[] = [];
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    assert.equal(headers[':path'], '/opentelemetry.proto.collector.trace.v1.TraceService/Export');
    stream.on('data', (chunk: Buffer) => exported.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true });
    });
  });
  server.listen(0);
  rig.defer(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const entry = serve(
    rig,
    [web, { name: 'otel', port: address.port }],
    {},
    {},
    {
      enabled: true,
      samplePerTenThousand: 10_000,
      collector: { hostname: 'otel.shop.svc.cluster.local', port: 80 },
    },
  );
  assert.equal((await rig.fetch(entry, '/traced')).body, 'traced');
  await rig.until(() => exported.length > 0, 'the spans');
  const traceId = /^00-([0-9a-f]{32})-/.exec(String(seen[0]))?.[1] ?? 'none';
  assert.ok(Buffer.concat(exported).includes(Buffer.from(traceId, 'hex')));
});

test('spans go to a collector over HTTP/1.1 with their headers and length', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (_, response) => response.end('traced'));
  const bodies: Buffer[] = [];
  const headers: http.IncomingHttpHeaders[] = [];
  const otlp = await backend(rig, 'otlp', (request, response) => {
    request.on('data', (chunk: Buffer) => bodies.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') headers.push(request.headers);
      response.end();
    });
  });
  const collector = {
    hostname: 'otlp.shop.svc.cluster.local',
    port: 80,
    httpPath: '/v1/traces',
    headers: { 'x-key': 'k' },
  };
  const entry = serve(rig, [web, otlp], {}, {}, { enabled: true, samplePerTenThousand: 10_000, collector });
  await rig.fetch(entry, '/traced');
  await rig.until(() => headers.length > 0, 'the spans');
  const body = Buffer.concat(bodies);
  const { resourceSpans } = fromBinary(trace.ExportTraceServiceRequestSchema, body);
  assert.equal(resourceSpans[0]?.scopeSpans[0]?.spans.length, 1);
  assert.deepEqual(
    [headers[0]?.['content-type'], headers[0]?.['content-length'], headers[0]?.['x-key']],
    ['application/x-protobuf', String(body.length), 'k'],
  );
});
