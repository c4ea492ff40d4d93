/** Keys, roots and their rotation with replicas of the CA on a real API server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcChannel } from '@ambit/grpc';
import { GrpcCaClient, type WorkloadCertificate, makeSpiffeId } from '@ambit/identity';
import { isPlainObject, rawKinds } from '@ambit/kube';
import { type Clock, systemClock } from '@ambit/runtime';
import { eventually, makeTestCa } from '@ambit/testing';
import type { RunningCa } from '../ca.ts';
import { CaCluster } from '../testing/ca-cluster.ts';
import { handshake } from '../testing/handshake.ts';

type TestCa = ReturnType<typeof makeTestCa>;
const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const options = { skip: kubeconfig === '' ? 'AMBIT_TEST_KUBECONFIG names no cluster' : false, timeout: 600_000 };

function keySet(ca: TestCa): Record<string, string> {
  return {
    'ca-cert.pem': ca.signingCertificatePem,
    'ca-key.pem': ca.signingKeyPem,
    'root-cert.pem': ca.rootsPem,
    'cert-chain.pem': ca.intermediatesPem + ca.rootsPem,
  };
}

test('replicas that start together make one Secret of the form that istiod makes', options, async () => {
  await using cluster = await CaCluster.open(kubeconfig);
  const replicas = await Promise.all([1, 2, 3].map(() => cluster.startCa()));
  try {
    assert.equal(new Set(replicas.map((ca) => ca.authority.material.signingRoot)).size, 1);
    const secret = await cluster.client.get(cluster.secret('istio-ca-secret'));
    assert.ok(isPlainObject(secret) && isPlainObject(secret['data']));
    assert.equal(secret['type'], 'istio.io/ca-root');
    assert.deepEqual(Object.keys(secret['data']).toSorted(), [
      'ca-cert.pem',
      'ca-key.pem',
      'cert-chain.pem',
      'key.pem',
      'root-cert.pem',
    ]);
  } finally {
    await Promise.all(replicas.map((ca) => ca[Symbol.asyncDispose]()));
  }
  await using again = await cluster.startCa();
  assert.equal(again.authority.material.signingRoot, replicas[0]?.authority.material.signingRoot);
});

test('an unfit cacerts stops the start with a message and nothing is made in its place', options, async () => {
  await using cluster = await CaCluster.open(kubeconfig);
  const { 'ca-key.pem': _key, ...incomplete } = keySet(makeTestCa());
  await cluster.putSecret('cacerts', incomplete);
  await assert.rejects(cluster.startCa(), { message: /Secret cacerts lacks ca-key\.pem/ });
  assert.equal(await cluster.client.get(cluster.secret('istio-ca-secret')), undefined);
});

test('every namespace has the roots: new ones at once, altered and deleted ones again', options, async (t) => {
  await using cluster = await CaCluster.open(kubeconfig);
  const early = await cluster.addNamespace(`${cluster.id}-early`);
  await using first = await cluster.startCa();
  const second = await cluster.startCa();
  const roots = first.authority.material.rootsPem;
  const hasRoots = (namespace: string) => async () => (await cluster.publishedRoots(namespace)) === roots;
  await eventually('roots in namespaces that were there', hasRoots(early));
  await eventually('roots in the own namespace', hasRoots(cluster.namespace));
  const startMs = performance.now();
  const late = await cluster.addNamespace(`${cluster.id}-late`);
  await eventually('roots in a new namespace', hasRoots(late));
  t.diagnostic(`a new namespace has the roots after ${Math.round(performance.now() - startMs)} ms`);
  await cluster.client.patch(cluster.rootMap(late), { data: { 'root-cert.pem': 'mine', other: 'kept' } });
  await eventually('an altered ConfigMap is repaired', hasRoots(late));
  await cluster.client.delete(cluster.rootMap(late));
  await eventually('a deleted ConfigMap is written again', hasRoots(late));
  const unrelated = await cluster.addNamespace(`${cluster.id}-unrelated`, {});
  await cluster.addNamespace(`${cluster.id}-marker`);
  await eventually('the marker has roots', hasRoots(`${cluster.id}-marker`));
  assert.equal(await cluster.publishedRoots(unrelated), '');
  const isLeader = async (ca: RunningCa): Promise<boolean> =>
    /^ambit_ca_is_leader 1$/m.test(await (await fetch(`http://127.0.0.1:${ca.httpPort}/metrics`)).text());
  assert.deepEqual([await isLeader(first), await isLeader(second)].filter(Boolean), [true]);
  await second[Symbol.asyncDispose]();
  await eventually('the replica that is left leads', () => isLeader(first));
  await eventually('and publishes', hasRoots(await cluster.addNamespace(`${cluster.id}-last`)));
});

/** Two workloads of a node that renew all the time through any replica, trusting what their namespace is told. */
class Workloads {
  readonly certificates: WorkloadCertificate[] = [];
  handshakes = 0;
  renewals = 0;
  readonly #cluster: CaCluster;
  readonly #replicas: readonly RunningCa[];
  readonly #token: string;
  #next = 0;

  constructor(cluster: CaCluster, replicas: readonly RunningCa[], token: string) {
    this.#cluster = cluster;
    this.#replicas = replicas;
    this.#token = token;
  }

  async renew(index: number): Promise<void> {
    const replica = this.#replicas[this.#next++ % this.#replicas.length];
    using channel = new GrpcChannel({
      address: `https://127.0.0.1:${replica?.port}`,
      roots: { kind: 'inline', pem: await this.#cluster.publishedRoots(this.#cluster.namespace) },
      clusterId: 'Kubernetes',
      token: { kind: 'literal', token: this.#token },
    });
    const identity = makeSpiffeId({
      trustDomain: 'cluster.local',
      namespace: this.#cluster.namespace,
      serviceAccount: 'app',
    });
    const client = new GrpcCaClient({ channel, isImpersonating: true });
    this.certificates[index] = await client.fetchCertificate(identity, { signal: AbortSignal.timeout(60_000) });
    this.renewals += 1;
  }

  async everyPair(): Promise<void> {
    for (const one of this.certificates) {
      for (const other of this.certificates) {
        await handshake(one, other);
        this.handshakes += 1;
      }
    }
  }
}

async function prepare(cluster: CaCluster): Promise<string> {
  const { namespace } = cluster;
  for (const account of ['ztunnel', 'app']) await cluster.addAccount(namespace, account);
  const node = `${cluster.id}-node`;
  const proxy = await cluster.addPod(namespace, 'ztunnel', 'ztunnel', node);
  await cluster.addPod(namespace, 'app', 'app', node);
  return cluster.token(namespace, 'ztunnel', proxy);
}

/** A phase ends when the test says so; certificates are dated back by more than both phases. */
const rotationStepMs = 50_000;

for (const trigger of ['changes cacerts', 'annotates the self-made Secret'] as const) {
  test(`no handshake fails while the operator ${trigger}`, options, async (t) => {
    await using cluster = await CaCluster.open(kubeconfig);
    const token = await prepare(cluster);
    const [old, next] = [makeTestCa({ intermediate: true }), makeTestCa({ intermediate: true })];
    if (trigger === 'changes cacerts') await cluster.putSecret('cacerts', keySet(old));
    let passedMs = 0;
    const clock: Clock = { ...systemClock, wallTimeMs: () => Date.now() + passedMs };
    await using one = await cluster.startCa({ rotationStepMs }, { clock });
    await using two = await cluster.startCa({ rotationStepMs }, { clock });
    const published = (): Promise<string> => cluster.publishedRoots(cluster.namespace);
    await eventually('roots are published', async () => (await published()) === one.authority.material.rootsPem);
    const before = one.authority.material.rootsPem;
    const workloads = new Workloads(cluster, [one, two], token);
    for (const index of [0, 1, 2]) await workloads.renew(index);

    const bundles: string[] = [before];
    let isDone = false;
    const traffic = (async () => {
      for (let round = 0; !isDone; round += 1) {
        await workloads.renew(round % 3);
        await workloads.everyPair();
        const bundle = await published();
        if (bundle !== bundles.at(-1)) bundles.push(bundle);
      }
    })();
    // A failure of the traffic ends each wait below.
    const failed = traffic.then(
      () => assert.fail('the traffic ended'),
      (error: unknown) => Promise.reject(error),
    );
    failed.catch(() => undefined);
    const both = (what: string, isTrue: (ca: RunningCa) => boolean): Promise<boolean> =>
      Promise.race([failed, eventually(what, () => [one, two].every(isTrue))]);
    /** All workloads renew once more, and the bundle of the moment has been read; then the phase is over. */
    const endPhase = async (): Promise<void> => {
      const { renewals } = workloads;
      await Promise.race([failed, eventually('workloads renew', () => workloads.renewals >= renewals + 4)]);
      passedMs += rotationStepMs;
    };

    if (trigger === 'changes cacerts') await cluster.putSecret('cacerts', keySet(next));
    else {
      const annotations = { 'ambit.io/rotate-root': 'please' };
      await cluster.client.patch(cluster.secret('istio-ca-secret'), { metadata: { annotations } });
    }
    const { signingRoot } = one.authority.material;
    await both('both roots are trusted', ({ authority }) => authority.material.rootFingerprints.length === 2);
    assert.ok([one, two].every(({ authority }) => authority.material.signingRoot === signingRoot));
    await endPhase();
    await both('the new root signs', ({ authority }) => authority.material.signingRoot !== signingRoot);
    await endPhase();
    await both('the new root alone is trusted', ({ authority }) => authority.material.rootFingerprints.length === 1);
    const after = one.authority.material.rootsPem;
    await both('the new root alone is published', () => bundles.at(-1) === after);
    isDone = true;
    await traffic;

    assert.deepEqual(bundles, [before, before + after, after]);
    if (trigger === 'changes cacerts') assert.equal(after, next.rootsPem);
    const rotation = { kind: rawKinds.Secret, namespace: cluster.namespace, name: 'ambit-ca-rotation' };
    assert.equal(await cluster.client.get(rotation), undefined);
    t.diagnostic(`${workloads.renewals} renewals and ${workloads.handshakes} handshakes, none failed`);
  });
}
