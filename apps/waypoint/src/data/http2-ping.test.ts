/** Connections of HTTP/2 to endpoints are asked whether they still are, as the policy says. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';
import { proxy as proxyMessages, workload as api } from '@ambit/api';
import { listenOnLoopback } from '@ambit/testing';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';

/** An answer may take so many milliseconds. */
function serve(rig: WaypointRig, port: number, timeoutMs: number): void {
  const ping = {
    interval: { nanos: 30_000_000 },
    timeout: { seconds: BigInt(Math.floor(timeoutMs / 1000)), nanos: (timeoutMs % 1000) * 1_000_000 },
  };
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: port }, { tunnelProtocol: api.TunnelProtocol.NONE }));
  const [name, bytes] = destination('web', { protocol: proxyMessages.Protocol.HTTP2, traffic: { limits: { ping } } });
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
}

test('an idle connection that answers PING goes on, and takes the next request', async () => {
  await using rig = await WaypointRig.open();
  let sessions = 0;
  let pings = 0;
  const server = http2.createServer((_request, response) => response.end('served'));
  server.on('session', (session) => {
    sessions += 1;
    session.on('ping', () => (pings += 1));
    rig.defer(() => session.destroy());
  });
  rig.defer(() => server.close());
  serve(rig, await listenOnLoopback(server), 20_000);
  const entry = rig.entry(`${vip}:80`);
  assert.equal((await rig.fetch(entry, '/')).body, 'served');
  await rig.until(() => pings >= 3, 'three pings');
  assert.equal((await rig.fetch(entry, '/')).body, 'served');
  assert.equal(sessions, 1);
});

test('a connection whose PING is not answered ends, and the next request has a new one', async () => {
  await using rig = await WaypointRig.open();
  const backend = http2.createServer((_request, response) => response.end('served'));
  backend.on('session', (session) => rig.defer(() => session.destroy()));
  rig.defer(() => backend.close());
  const backendPort = await listenOnLoopback(backend);
  // In between sits somebody who stops passing things on.
  const open = new Set<net.Socket>();
  let accepted = 0;
  const between = net.createServer((near) => {
    accepted += 1;
    const far = net.connect(backendPort, '127.0.0.1');
    open.add(near);
    rig.defer(() => (near.destroy(), far.destroy()));
    near.on('error', () => {});
    near.on('close', () => (open.delete(near), far.destroy()));
    near.pipe(far);
    far.pipe(near);
  });
  rig.defer(() => between.close());
  serve(rig, await listenOnLoopback(between), 1_500);
  const entry = rig.entry(`${vip}:80`);
  assert.equal((await rig.fetch(entry, '/')).body, 'served');
  assert.equal(open.size, 1);
  for (const near of open) near.unpipe();
  for (const near of open) near.resume();
  await rig.until(() => open.size === 0, 'the end of the silent connection');
  assert.equal((await rig.fetch(entry, '/')).body, 'served');
  assert.equal(accepted, 2);
});
