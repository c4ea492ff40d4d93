import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { StartedTestContainer } from 'testcontainers';
import { outputOf, terminate } from './testing/container-life.ts';
import { ContainerMesh, type ContainerPod } from './testing/container-mesh.ts';
import { WEB_VIP, denial } from './testing/mesh-manifests.ts';
import { loadImages, noEngine } from './testing/test-images.ts';

const HELLO = '200 hello from web';

/** Tries until the answer is as wanted; the last one tells what went wrong. */
async function eventually<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean, timeoutMs = 30_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer) || Date.now() > deadline) return answer;
    await delay(200);
  }
}

/** What `/jsz` of NATS says, as far as it is looked at. */
interface NatsStreams {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly state: { readonly messages: number } }[];
  }[];
}

describe('a mesh of containers', { skip: noEngine }, () => {
  let mesh: ContainerMesh;
  let nats: StartedTestContainer;
  let ca: StartedTestContainer;
  let client: ContainerPod;
  let web: ContainerPod;

  before(async () => {
    loadImages(['ca', 'control-plane', 'ztunnel', 'cni-agent', 'nats']);
    mesh = await ContainerMesh.create();
    nats = await mesh.startNats();
    ca = await mesh.startCa();
    await mesh.startControlPlane(mesh.files.token('istio-system/istiod', 'node-control'));
    web = await mesh.startPod({ name: 'web' });
    client = await mesh.startPod({ name: 'client' });
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });

  const ask = (): Promise<string> => mesh.request(client, `http://${WEB_VIP}/`);

  async function caMetric(name: string): Promise<number> {
    const text = await (await fetch(`http://${ca.getHost()}:${ca.getMappedPort(15_015)}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  }

  /** Messages in the stream of audit events; undefined while there is none. */
  async function auditedEvents(): Promise<number | undefined> {
    const url = `http://${nats.getHost()}:${nats.getMappedPort(8222)}/jsz?streams=true`;
    const { account_details: accounts = [] }: NatsStreams = JSON.parse(await (await fetch(url)).text());
    return accounts.flatMap((account) => account.stream_detail ?? [])[0]?.state.messages;
  }

  test('a pair of node proxies carries traffic to a Service, each proving who its pod is', async () => {
    assert.equal(await eventually(ask, (answer) => answer === HELLO), HELLO);
    const line = await eventually(
      async () =>
        (await outputOf(web.proxy.getId())).split('\n').find((text) => text.includes('connection complete')) ?? '',
      (text) => text !== '',
    );
    const record = JSON.parse(line);
    assert.equal(record['src.identity'], 'spiffe://cluster.local/ns/demo/sa/client');
    assert.equal(record['dst.identity'], 'spiffe://cluster.local/ns/demo/sa/web');
    assert.equal(record.direction, 'inbound');
    assert.equal(record['dst.hbone_addr'], `${web.address}:8080`);
  });

  test('a policy written while they run refuses the connection, and its removal permits it again', async () => {
    mesh.files.write('manifests/policy.yaml', denial('web'));
    assert.notEqual(await eventually(ask, (answer) => answer !== HELLO), HELLO);
    mesh.files.remove('manifests/policy.yaml');
    assert.equal(await eventually(ask, (answer) => answer === HELLO), HELLO);
  });

  test('with NATS killed the mesh carries and issues; restarted, NATS learns what was issued meanwhile', async () => {
    const before = (await eventually(auditedEvents, (count) => (count ?? 0) > 0)) ?? 0;
    assert.ok(before > 0, 'the audit stream is kept');
    await terminate(nats, 'SIGKILL');
    assert.equal(await ask(), HELLO);
    const issued = await caMetric('citadel_server_success_cert_issuance_count');
    const late = await mesh.startPod({ name: 'late' });
    const reach = (): Promise<string> => mesh.request(late, `http://${WEB_VIP}/`);
    assert.equal(await eventually(reach, (answer) => answer === HELLO), HELLO);
    assert.ok((await caMetric('citadel_server_success_cert_issuance_count')) > issued);
    await nats.restart();
    const isMore = (count: number | undefined): boolean => (count ?? 0) > before;
    assert.ok(isMore(await eventually(auditedEvents, isMore)), 'old events are kept, and the audit goes on');
    assert.equal(await ask(), HELLO);
  });

  test('a control plane with a token of a stranger gets no certificate and is never ready', async () => {
    const refusals = (): Promise<number> => caMetric('citadel_server_authentication_failure_count');
    const before = await refusals();
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const token = mesh.files.token('istio-system/istiod', 'node-control', stranger);
    await using impostor = await mesh.startControlPlane(token, false);
    assert.ok((await eventually(refusals, (count) => count > before)) > before);
    assert.match(await outputOf(ca.getId()), /token: signature verification failed/);
    assert.doesNotMatch(await outputOf(impostor.getId()), /control plane is ready/);
  });

  test('a node proxy gets no certificate of another account than its own', async () => {
    const thief = await mesh.startPod({ name: 'thief', claims: 'web' });
    assert.match(await mesh.request(thief, `http://${WEB_VIP}/`), /^failed/);
    const issued = (await outputOf(ca.getId())).split('\n').filter((line) => line.includes('"pod":"thief-node-thief"'));
    for (const line of issued) assert.equal(JSON.parse(line).identity, 'spiffe://cluster.local/ns/demo/sa/thief');
    assert.equal(await ask(), HELLO, 'the others do not notice');
  });
});
