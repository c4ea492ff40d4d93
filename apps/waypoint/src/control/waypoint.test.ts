/** The whole process as it would run, with worker threads, between a control plane, a CA, clients and backends on loopback. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { loadConfig } from '@ambit/runtime';
import { freePort } from '@ambit/testing';
import { ADDRESS_TYPE, DESTINATION_TYPE, PROXY_TYPE } from '@ambit/xds';
import { destination, pod, proxy, proxyName, service } from '../data/test-support/mesh-messages.ts';
import { clientId, MeshRig, waypointId } from '../data/test-support/mesh-rig.ts';
import { MeshServer } from './test-support/mesh-server.ts';
import { drainTimes, runWaypoint } from './waypoint.ts';
import { waypointConfig } from './waypoint-config.ts';

const vip = '10.9.0.1';

async function statusOf(port: number): Promise<string> {
  try {
    return await (await fetch(`http://127.0.0.1:${port}/healthz/ready`)).text();
  } catch {
    return '';
  }
}

test('a proxy starts without its control plane, serves when it is complete, follows changes, refuses bad ones, drains', async () => {
  const [xds, hbone, admin, stats, ready, node] = await Promise.all(Array.from({ length: 6 }, freePort));
  assert.ok(xds && hbone && admin && stats && ready && node);
  await using rig = new MeshRig(node);
  const environment = {
    AMBIT_GATEWAY: 'waypoint',
    POD_NAME: 'waypoint-1',
    POD_NAMESPACE: 'shop',
    SERVICE_ACCOUNT: 'waypoint',
    INSTANCE_IP: '127.0.0.99',
    XDS_ADDRESS: `http://127.0.0.1:${xds}`,
    RUST_LOG: 'off',
    AMBIT_ADMIN_ADDRESS: `127.0.0.1:${admin}`,
    AMBIT_STATS_ADDRESS: `127.0.0.1:${stats}`,
    AMBIT_READINESS_ADDRESS: `127.0.0.1:${ready}`,
    AMBIT_LISTEN_ADDRESS: '127.0.0.1',
    AMBIT_HBONE_PORT: String(hbone),
    AMBIT_PEER_HBONE_PORT: String(node),
    AMBIT_WORKER_THREADS: '2',
    TERMINATION_DRAIN_DURATION: '4s',
    IPV6_ENABLED: 'false',
  };
  const { config } = loadConfig(waypointConfig, environment);
  const stop = new AbortController();
  rig.defer(() => stop.abort('the test has failed'));
  const running = runWaypoint(config, stop.signal);
  let readyText = '';
  let isAsking = false;
  const isReady = (text: string) => (): boolean => {
    if (!isAsking) {
      isAsking = true;
      void statusOf(ready).then((now) => {
        isAsking = false;
        readyText = now;
      });
    }
    return readyText === text;
  };
  await rig.until(isReady('not ready, pending: configuration\n'), 'a proxy that waits');

  await using server = await MeshServer.open(rig.ca, xds);
  const { store, refusals: answered } = server;
  const backend = await rig.backend((_request, response) => void response.end('one'));
  const other = await rig.backend((_request, response) => void response.end('two'));
  const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
  const pods = (port: number): { readonly typeUrl: string; readonly set: { name: string; value: Uint8Array }[] } => ({
    typeUrl: ADDRESS_TYPE,
    set: [
      { name: 'shop/web.shop.svc.cluster.local', value: service('web', vip) },
      { name: 'Kubernetes//Pod/shop/web', value: pod('web', '127.0.0.1', { web: port }, plain) },
    ],
  });
  const [name, bytes] = destination('web');
  store.apply([
    pods(backend.port),
    { typeUrl: DESTINATION_TYPE, set: [{ name, value: bytes }] },
    { typeUrl: PROXY_TYPE, set: [{ name: proxyName, value: proxy({ destinations: [name] }) }] },
  ]);
  await rig.until(isReady('ready\n'), 'ready');

  const failures: string[] = [];
  const entry = rig.entryTo(hbone, `${vip}:80`, clientId, failures);
  assert.equal((await rig.fetch(entry, '/')).body, 'one');

  store.apply([pods(other.port)]);
  let last = '';
  const fetchOn = async (): Promise<void> => {
    last = (await rig.fetch(entry, '/')).body;
  };
  for (let i = 0; i < 200 && last !== 'two'; i++) await fetchOn();
  assert.equal(last, 'two', 'a change of endpoints is followed');

  // A destination that cannot be compiled: refused with the reason; the last good one serves.
  const [, bad] = destination('web', { traffic: { proxyProtocol: 7 } });
  store.apply([{ typeUrl: DESTINATION_TYPE, set: [{ name, value: bad }] }]);
  await rig.until(() => answered.length > 0, 'NACK');
  assert.match(answered[0] ?? '', /Destination .*PROXY protocol/);
  assert.equal((await rig.fetch(entry, '/')).status, 200);

  const metrics = await rig.result(
    fetch(`http://127.0.0.1:${stats}/stats/prometheus`).then((answer) => answer.text()),
    'metrics',
  );
  assert.match(metrics, /istio_requests_total\{reporter="waypoint"/);
  const dump = await rig.result(
    fetch(`http://127.0.0.1:${admin}/config_dump`).then((answer) => answer.text()),
    'dump',
  );
  assert.ok(dump.includes(name) && dump.includes(waypointId));

  stop.abort('test is over');
  await rig.until(isReady('not ready, pending: draining\n'), 'not ready while it drains');
  assert.equal((await rig.fetch(entry, '/draining')).status, 200, 'who has not heard is still served');
  await rig.result(running, 'end');
  await assert.rejects(rig.fetch(entry, '/'));
});

test('a shutdown waits as long as Istio does', () => {
  const base = { drainMs: 5000, exitsOnZeroConnections: false, minimumDrainMs: 5000, terminationDeadlineMs: undefined };
  assert.deepEqual(drainTimes(base), { deadlineMs: 5000, minimumMs: 5000 });
  const patient = { ...base, exitsOnZeroConnections: true };
  assert.deepEqual(drainTimes(patient), { deadlineMs: 3_600_000, minimumMs: 5000 });
  assert.deepEqual(drainTimes({ ...patient, terminationDeadlineMs: 2000 }), { deadlineMs: 2000, minimumMs: 2000 });
});
