/** Peers whose certificate is on a revocation list: clients' tunnels in, endpoints' tunnels out; new ones and open ones. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { makeRevocationList } from '@ambit/testing';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { clientId, WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';
const webId = 'spiffe://cluster.local/ns/shop/sa/web';
const otherId = 'spiffe://cluster.local/ns/shop/sa/other';

async function open(): Promise<WaypointRig> {
  const rig = await WaypointRig.open();
  // The lists are those of the thread, which the next test has too.
  rig.defer(() => rig.worker.receive({ kind: 'revocations', lists: new Uint8Array() }));
  const backend = await rig.backend((_request, response) => void response.end('served'));
  const tunnelled = { serviceAccount: 'web', tunnelProtocol: api.TunnelProtocol.HBONE };
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: backend.port }, tunnelled));
  const [name, bytes] = destination('web');
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  rig.serveNode(webId);
  return rig;
}

function revoke(rig: WaypointRig, ...identities: readonly string[]): void {
  const list = makeRevocationList(
    rig.ca,
    identities.map((identity) => rig.certificateOf(identity)),
  );
  rig.worker.receive({ kind: 'revocations', lists: Buffer.from(list) });
}

function rejections(rig: WaypointRig, reporter: string): number {
  const found = new RegExp(`^istio_crl_policy_rejections_total\\{reporter="${reporter}"\\} (\\d+)$`, 'mu');
  return Number(found.exec(rig.metrics)?.[1] ?? 0);
}

test('a client that is revoked loses its open tunnel and gets no new one; others are served, and the list may be taken back', async () => {
  await using rig = await open();
  const agent = new Agent({ keepAlive: true });
  rig.defer(() => agent.destroy());
  const [bad, good] = [rig.entry(`${vip}:80`), rig.entry(`${vip}:80`, otherId)];
  assert.equal((await rig.fetch(bad, '/', { agent })).body, 'served');

  revoke(rig, otherId);
  await rig.turns(20);
  assert.equal((await rig.fetch(bad, '/', { agent })).body, 'served', 'somebody else is meant');
  assert.equal(rejections(rig, 'destination'), 0);

  revoke(rig, clientId);
  await rig.until(() => rejections(rig, 'destination') === 1, 'the end of the open tunnel');
  await assert.rejects(rig.fetch(bad, '/'));
  assert.equal(rejections(rig, 'destination'), 2);
  assert.equal((await rig.fetch(good, '/')).body, 'served');

  rig.worker.receive({ kind: 'revocations', lists: new Uint8Array() });
  assert.equal((await rig.fetch(bad, '/')).body, 'served');
});

test('an endpoint that is revoked gets no request, over no tunnel, new or open', async () => {
  await using rig = await open();
  const entry = rig.entry(`${vip}:80`);
  assert.equal((await rig.fetch(entry, '/')).status, 200);
  revoke(rig, webId);
  await rig.until(() => rejections(rig, 'source') === 1, 'the end of the open tunnel');
  const refused = await rig.fetch(entry, '/');
  assert.equal(refused.status, 503);
  assert.match(refused.body, /revoked/);
  assert.ok(rejections(rig, 'source') >= 2);
  revoke(rig);
  assert.equal((await rig.fetch(entry, '/')).status, 200);
});

test('lists that cannot be read change nothing', async () => {
  await using rig = await open();
  const entry = rig.entry(`${vip}:80`);
  revoke(rig, clientId);
  assert.throws(() => rig.worker.receive({ kind: 'revocations', lists: Buffer.from('rubbish') }), /revocation list/);
  await assert.rejects(rig.fetch(entry, '/'));
});
