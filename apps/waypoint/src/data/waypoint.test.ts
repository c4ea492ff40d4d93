import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { clientId, waypointId, WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const hbone = { tunnelProtocol: api.TunnelProtocol.HBONE };
const logged = { accessLog: { enabled: true } };

/** A waypoint that serves `web`, whose only endpoint is the given port of loopback. */
async function webRig(port: number, rig: WaypointRig, init: Parameters<typeof pod>[3] = plain): Promise<void> {
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: port }, { serviceAccount: 'web', ...init }));
  const [name, bytes] = destination('web');
  rig.configure({ proxy: proxy({ destinations: [name], telemetry: logged }), destinations: [[name, bytes]] });
}

test('a request goes through a tunnel to a plain backend and back, logged and counted', async () => {
  await using rig = await WaypointRig.open();
  const seen: string[] = [];
  const backend = await rig.backend((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host}`);
    response.setHeader('x-from', 'backend').end('hello');
  });
  await webRig(backend.port, rig);
  const entry = rig.entry(`${vip}:80`);
  const answer = await rig.fetch(entry, '/a?b=c', { headers: { host: 'web.shop', 'user-agent': 'test' } });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'hello');
  assert.equal(answer.headers['x-from'], 'backend');
  assert.deepEqual(seen, ['GET /a?b=c web.shop']);
  assert.match(rig.accessLog, /"GET \/a\?b=c HTTP\/1.1" 200 - via_upstream - "-" 0 5 /);
  assert.match(rig.accessLog, /inbound-vip\|80\|http\|web\.shop\.svc\.cluster\.local/);
  const count = rig.metrics.split('\n').find((line) => line.startsWith('istio_requests_total{'));
  assert.ok(count !== undefined);
  for (const label of [
    'reporter="waypoint"',
    `source_principal="${clientId}"`,
    'destination_service="web.shop.svc.cluster.local"',
    'destination_service_name="web"',
    'destination_workload="web"',
    'response_code="200"',
    'connection_security_policy="mutual_tls"',
  ]) {
    assert.ok(count.includes(label), label);
  }
});

test('an endpoint with a node proxy is reached through a tunnel to exactly its identity', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('through the node'));
  await webRig(backend.port, rig, hbone);
  rig.serveNode('spiffe://cluster.local/ns/shop/sa/web');
  const entry = rig.entry(`${vip}:80`);
  const answer = await rig.fetch(entry, '/');
  assert.equal(answer.body, 'through the node');
  assert.equal(rig.node.requests[0]?.authority, `127.0.0.1:${backend.port}`);
  assert.deepEqual(rig.node.peers, [[waypointId]]);
  await rig.fetch(entry, '/again');
  assert.equal(rig.node.requests.length, 1, 'the connection inside the tunnel is used again');
});

test('a node that proves another identity gets no request', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('no'));
  await webRig(backend.port, rig, hbone);
  rig.serveNode('spiffe://cluster.local/ns/shop/sa/other');
  const answer = await rig.fetch(rig.entry(`${vip}:80`), '/');
  assert.equal(answer.status, 503);
  assert.equal(rig.node.requests.length, 0);
  assert.match(rig.accessLog, / 503 .*UF/);
});

test('what the waypoint does not serve is refused: it is no open proxy', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('no'));
  await webRig(backend.port, rig);
  rig.mesh(service('other', '10.9.0.2'));
  for (const authority of [
    '10.9.0.2:80',
    `${vip}:81`,
    `127.0.0.1:${backend.port}`,
    '8.8.8.8:53',
    'example.com:80',
    'x',
  ]) {
    const failures: string[] = [];
    await assert.rejects(rig.fetch(rig.entry(authority, clientId, failures), '/'), authority);
    assert.match(failures.join(), /http status: (400|404)/, authority);
  }
});

test('a client of another trust domain does not get in', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('no'));
  await webRig(backend.port, rig);
  await assert.rejects(rig.fetch(rig.entry(`${vip}:80`, 'spiffe://other.example/ns/shop/sa/client'), '/'));
  assert.match(rig.metrics, /ambit_waypoint_connections_refused_total\{reason="trust-domain"\} 1/);
});

test('an endpoint that has a name only is resolved before it is needed, and followed', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('resolved'));
  rig.mesh(service('web', vip), pod('web', '', { web: backend.port }, { ...plain, hostname: 'db.example' }));
  const [name, bytes] = destination('web');
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  assert.deepEqual(
    rig.reports.filter(({ kind }) => kind === 'resolveHost'),
    [{ kind: 'resolveHost', hostname: 'db.example' }],
  );
  const entry = rig.entry(`${vip}:80`);
  assert.equal((await rig.fetch(entry, '/')).status, 503);
  rig.worker.receive({ kind: 'resolved', hostname: 'db.example', addresses: ['127.0.0.1'] });
  assert.equal((await rig.fetch(entry, '/')).body, 'resolved');
});

test('a service may have telemetry of its own', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('hello'));
  rig.mesh(
    service('web', vip),
    service('quiet', '10.9.0.2'),
    pod('web', '127.0.0.1', { web: backend.port, quiet: backend.port }, plain),
  );
  const [web, ofWeb] = destination('web');
  const silence = {
    metricOverrides: [
      { metric: 'REQUEST_COUNT', disabled: true },
      { metric: 'REQUEST_DURATION', removedLabels: ['source_principal', 'response_code', 'destination_app'] },
    ],
  };
  const [quiet, ofQuiet] = destination('quiet', {}, { telemetry: silence });
  rig.configure({
    proxy: proxy({ destinations: [web, quiet], telemetry: logged }),
    destinations: [
      [web, ofWeb],
      [quiet, ofQuiet],
    ],
  });
  await rig.fetch(rig.entry('10.9.0.2:80'), '/secret');
  await rig.fetch(rig.entry(`${vip}:80`), '/told');
  assert.match(rig.accessLog, /GET \/told/);
  assert.doesNotMatch(rig.accessLog, /GET \/secret/);
  const counted = rig.metrics.split('\n').filter((line) => line.startsWith('istio_requests_total{'));
  assert.equal(counted.filter((line) => line.includes('destination_service_name="web"')).length, 1);
  assert.equal(counted.filter((line) => line.includes('destination_service_name="quiet"')).length, 0);
  const durations = rig.metrics
    .split('\n')
    .filter((line) => line.startsWith('istio_request_duration_milliseconds_count'));
  const [ofQuietOne = ''] = durations.filter((line) => line.includes('destination_service_name="quiet"'));
  assert.match(ofQuietOne, /source_principal="".*destination_app="".*response_code=""/);
  const [ofWebOne = ''] = durations.filter((line) => line.includes('destination_service_name="web"'));
  assert.match(ofWebOne, /source_principal="spiffe:.*response_code="200"/);
});

test('what rate limits decide is counted by limit', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('hello'));
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: backend.port }, plain));
  const [name, bytes] = destination(
    'web',
    {},
    { rateLimits: [{ name: 'shop/clients/each', requests: 2, interval: { seconds: 3600n } }] },
  );
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  const entry = rig.entry(`${vip}:80`);
  for (const expected of [200, 200, 429]) assert.equal((await rig.fetch(entry, '/')).status, expected);
  const of = (result: string, count: number): string =>
    `ambit_rate_limit_decisions_total{limit="shop/clients/each",scope="local",result="${result}"} ${count}\n`;
  assert.ok(rig.metrics.includes(of('allowed', 2)), rig.metrics);
  assert.ok(rig.metrics.includes(of('limited', 1)));
});
