/** Backends whose certificate gets onto a revocation list lose the connections that are open to them. */
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { listenOnLoopback, makeRevocationList, makeTestCa } from '@ambit/testing';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';
const ca = makeTestCa();
const leaf = ca.issue(undefined, { dnsNames: ['secure.example.com'] });
const other = ca.issue(undefined, { dnsNames: ['other.example.com'] });
const listOf = (...revoked: readonly (typeof leaf)[]): Buffer => Buffer.from(makeRevocationList(ca, revoked));

interface Scene {
  readonly rig: WaypointRig;
  readonly entry: number;
  /** Puts these lists, or none, into the policy. */
  configure(revocationsPem: Buffer | undefined): void;
}

/** An HTTPS backend that answers and does not end, but on /quick. */
async function open(): Promise<Scene> {
  const rig = await WaypointRig.open();
  // The lists are those of the thread, which the next test has too.
  rig.defer(() => rig.worker.receive({ kind: 'revocations', lists: new Uint8Array() }));
  const server = https.createServer({ cert: leaf.certificateChainPem, key: leaf.privateKeyPem }, (request, response) =>
    request.url === '/quick' ? void response.end('served') : void response.write('begun'),
  );
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: await listenOnLoopback(server) }, plain));
  const configure = (revocationsPem: Buffer | undefined): void => {
    const lists = revocationsPem === undefined ? {} : { revocationsPem };
    const tls = { rootsPem: Buffer.from(ca.rootsPem), serverName: 'secure.example.com', ...lists };
    const [name, bytes] = destination('web', { traffic: { tls } });
    rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  };
  configure(undefined);
  return { rig, entry: rig.entry(`${vip}:80`), configure };
}

/** A request whose answer goes on: whether it has begun, and whether it broke. */
function longRequest({ rig, entry }: Scene): { isBegun: boolean; isBroken: boolean } {
  const state = { isBegun: false, isBroken: false };
  const request = http.get({ host: '127.0.0.1', port: entry, path: '/long', agent: false }, (response) => {
    response.on('data', () => (state.isBegun = true));
    response.on('error', () => (state.isBroken = true));
  });
  request.on('error', () => (state.isBroken = true));
  rig.defer(() => request.destroy());
  return state;
}

for (const [whose, revoke, closed] of [
  ['of the mesh', ({ rig }: Scene, list: Buffer) => rig.worker.receive({ kind: 'revocations', lists: list }), 2],
  ['of the policy', ({ configure }: Scene, list: Buffer) => configure(list), 1],
] as const)
  test(`a backend on a list ${whose} loses its open connections and gets no new ones; another's entry ends none`, async () => {
    const scene = await open();
    await using rig = scene.rig;
    const long = longRequest(scene);
    await rig.until(() => long.isBegun, 'the beginning of the answer');
    revoke(scene, listOf(other));
    assert.equal((await rig.fetch(scene.entry, '/quick')).body, 'served');
    await rig.turns(20);
    assert.equal(long.isBroken, false);

    revoke(scene, listOf(other, leaf));
    // Lists of a policy are looked at with the next request, or within a second.
    const refused = await rig.fetch(scene.entry, '/quick');
    assert.equal(refused.status, 503);
    await rig.until(() => long.isBroken, 'the end of the open connection');
    // An idle connection ends by itself when its policy changes.
    const counted = /^istio_crl_policy_rejections_total\{reporter="source"\} (\d+)$/m.exec(rig.metrics);
    assert.equal(Number(counted?.[1]), closed);
  });
