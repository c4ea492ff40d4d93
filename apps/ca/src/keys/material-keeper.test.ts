import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { CertificateAuthority } from '../issue/certificate-authority.ts';
import { MemorySecrets } from '../testing/memory-secrets.ts';
import { MaterialKeeper, type PublishedTrust } from './material-keeper.ts';
import { rotationSecretName } from './rotation-record.ts';
import { trustFactsOf } from './signing-material.ts';
import { type SetMaker, intermediateSecretName, selfMadeSecretName, selfSignedMaker } from './set-maker.ts';
import { rotateAnnotation } from './target-secret.ts';

type TestCa = ReturnType<typeof makeTestCa>;
const stepMs = 3_600_000;

function keySet(ca: TestCa, roots = ca.rootsPem): Record<string, string> {
  return {
    'ca-cert.pem': ca.signingCertificatePem,
    'ca-key.pem': ca.signingKeyPem,
    'root-cert.pem': roots,
    'cert-chain.pem': ca.intermediatesPem + ca.rootsPem,
  };
}

class Rig {
  readonly secrets: MemorySecrets = new MemorySecrets();
  readonly clock: ManualClock = new ManualClock(Date.now());
  published: PublishedTrust | undefined;
  maker: SetMaker | undefined;

  async replica(): Promise<{ keeper: MaterialKeeper; authority: CertificateAuthority }> {
    const { secrets: store, clock } = this;
    const published = (): Promise<PublishedTrust | undefined> => Promise.resolve(this.published);
    const options = { store, maker: this.maker ?? selfSignedMaker('cluster.local', clock), stepMs, clock, published };
    const keeper = await MaterialKeeper.open(options);
    const authority = new CertificateAuthority(keeper.material, clock);
    keeper.serve(authority);
    return { keeper, authority };
  }

  publish(authority: CertificateAuthority): void {
    const { signingRoot: root, rootFingerprints: roots, rootsPem: pem } = authority.material;
    this.published = { root, roots, pem };
  }
}

test('the first start makes istio-ca-secret as istiod does, and replicas that start together share it', async () => {
  const rig = new Rig();
  const [one, two] = await Promise.all([rig.replica(), rig.replica()]);
  assert.equal(one.authority.material.signingRoot, two.authority.material.signingRoot);
  const made = rig.secrets.secrets.get('istio-ca-secret');
  assert.equal(made?.type, 'istio.io/ca-root');
  assert.deepEqual(Object.keys(made?.data ?? {}).toSorted(), [
    'ca-cert.pem',
    'ca-key.pem',
    'cert-chain.pem',
    'key.pem',
    'root-cert.pem',
  ]);
  assert.deepEqual([made?.data['cert-chain.pem'], made?.data['key.pem']], ['', '']);
  assert.equal((await rig.replica()).authority.material.signingRoot, one.authority.material.signingRoot);
});

test('cacerts wins over istio-ca-secret, in both layouts, with its intermediate', async () => {
  for (const layout of ['plugin', 'tls']) {
    const rig = new Rig();
    await rig.replica();
    const ca = makeTestCa({ intermediate: true });
    const tls = { 'tls.crt': ca.signingCertificatePem, 'tls.key': ca.signingKeyPem, 'ca.crt': ca.rootsPem };
    rig.secrets.put('cacerts', layout === 'tls' ? tls : keySet(ca));
    const { authority } = await rig.replica();
    assert.deepEqual(authority.material.intermediatesPem, [ca.intermediatesPem]);
  }
});

test('a set of an old istiod without a bundle is taken', async () => {
  const rig = new Rig();
  const ca = makeTestCa();
  rig.secrets.put('istio-ca-secret', {
    'ca-cert.pem': ca.signingCertificatePem,
    'ca-key.pem': ca.signingKeyPem,
    'cert-chain.pem': '',
    'key.pem': '',
    'root-cert.pem': '',
  });
  assert.equal((await rig.replica()).authority.material.rootsPem, ca.rootsPem);
});

test('an unfit Secret stops the start with its name and is left as it is', async () => {
  const ca = makeTestCa();
  const { 'ca-key.pem': _key, ...incomplete } = keySet(ca);
  const wrongKey = { ...keySet(ca), 'ca-key.pem': makeTestCa().signingKeyPem };
  for (const name of ['cacerts', 'istio-ca-secret']) {
    for (const [data, reason] of [
      [incomplete, /lacks ca-key\.pem/],
      [wrongKey, /key does not belong/],
      [{}, /lacks/],
    ] as const) {
      const rig = new Rig();
      rig.secrets.put(name, data);
      await assert.rejects(rig.replica(), (error: Error) => reason.test(error.message) && error.message.includes(name));
      assert.deepEqual([rig.secrets.secrets.size, rig.secrets.secrets.get(name)?.data], [1, data]);
    }
  }
});

test('a store that cannot be asked stops the start and makes nothing', async () => {
  const rig = new Rig();
  rig.secrets.failure = new Error('forbidden');
  await assert.rejects(rig.replica(), /forbidden/);
  rig.secrets.failure = undefined;
  assert.equal(rig.secrets.secrets.size, 0);
});

test('with roots published and no Secret nothing is made', async () => {
  const rig = new Rig();
  rig.publish((await rig.replica()).authority);
  rig.secrets.secrets.clear();
  await assert.rejects(rig.replica(), { code: 'KEY_MATERIAL_INCOMPLETE', message: /restore the Secret/ });
  assert.equal(rig.secrets.secrets.size, 0);
});

test('another root than the published one stops the start, unless istiod published it as one of several', async () => {
  const rig = new Rig();
  const [first, next] = [makeTestCa(), makeTestCa()];
  rig.secrets.put('cacerts', keySet(first));
  rig.publish((await rig.replica()).authority);
  rig.secrets.put('cacerts', keySet(next));
  const starting = rig.replica();
  const ticking = setInterval(() => rig.clock.advance(5_000), 5);
  await assert.rejects(starting, { code: 'ROOT_CHANGE_REFUSED', message: /restore the previous Secret/ });
  clearInterval(ticking);
  rig.secrets.put('cacerts', keySet(first));
  rig.published = { ...(rig.published ?? assert.fail()), root: undefined };
  await rig.replica();
});

/** Both replicas look, the leader acts, the result is published. */
async function round(rig: Rig, replicas: readonly Awaited<ReturnType<Rig['replica']>>[]): Promise<void> {
  const [leader] = replicas;
  await leader?.keeper.lead(true);
  for (const { keeper } of replicas) await keeper.look();
  if (leader !== undefined) rig.publish(leader.authority);
}

test('a changed cacerts goes through both phases on all replicas, and restarts in between continue them', async () => {
  const rig = new Rig();
  const [first, next] = [makeTestCa({ intermediate: true }), makeTestCa({ intermediate: true })];
  rig.secrets.put('cacerts', keySet(first));
  const replicas = [await rig.replica(), await rig.replica()];
  const rootOf = (ca: TestCa): string => ca.signingCertificatePem;
  const state = (): unknown =>
    replicas.map(({ keeper, authority }) => [
      keeper.rotation?.phase,
      authority.material.intermediatesPem[0] === rootOf(first) ? 'first' : 'next',
      authority.material.rootFingerprints.length,
    ]);
  rig.secrets.put('cacerts', keySet(next));
  await replicas[1]?.keeper.look();
  assert.deepEqual(state(), [
    [undefined, 'first', 1],
    [undefined, 'first', 1],
  ]);
  await round(rig, replicas);
  assert.deepEqual(state(), [
    ['publish', 'first', 2],
    ['publish', 'first', 2],
  ]);
  rig.clock.advance(stepMs - 1);
  await round(rig, replicas);
  replicas[0] = await rig.replica();
  assert.deepEqual(state(), [
    ['publish', 'first', 2],
    ['publish', 'first', 2],
  ]);
  rig.clock.advance(1);
  await round(rig, replicas);
  replicas[1] = await rig.replica();
  assert.deepEqual(state(), [
    ['switch', 'next', 2],
    ['switch', 'next', 2],
  ]);
  rig.clock.advance(stepMs);
  await round(rig, replicas);
  assert.deepEqual(state(), [
    [undefined, 'next', 1],
    [undefined, 'next', 1],
  ]);
  assert.equal(rig.secrets.secrets.has(rotationSecretName), false);
  assert.deepEqual(trustFactsOf((await rig.replica()).authority.material).roots, rig.published?.roots);
});

test('an annotation on the made Secret rotates it, and a root near its end is rotated without one', async () => {
  for (const trigger of ['annotation', 'age']) {
    const rig = new Rig();
    const replica = await rig.replica();
    const before = replica.authority.material.signingRoot;
    const made = rig.secrets.secrets.get('istio-ca-secret') ?? assert.fail();
    if (trigger === 'annotation') rig.secrets.put('istio-ca-secret', made.data, { [rotateAnnotation]: 'now' });
    else rig.clock.advance(8.1 * 365 * 86_400_000);
    for (let count = 0; count < 3; count += 1) await round(rig, [replica]);
    assert.equal(replica.keeper.rotation?.phase, 'publish');
    assert.equal(replica.authority.material.signingRoot, before);
    assert.equal(replica.authority.material.rootFingerprints.length, 2);
    assert.equal(rig.secrets.secrets.get('istio-ca-secret')?.annotations[rotateAnnotation], undefined);
    rig.clock.advance(stepMs);
    await round(rig, [replica]);
    rig.clock.advance(stepMs);
    await round(rig, [replica]);
    assert.equal(replica.keeper.rotation, undefined);
    assert.notEqual(replica.authority.material.signingRoot, before);
    await round(rig, [replica]);
    assert.equal(rig.secrets.secrets.has(rotationSecretName), false);
  }
});

test('a leader that dies between the record and the new root leaves nothing that does not heal', async () => {
  const rig = new Rig();
  const replica = await rig.replica();
  const made = rig.secrets.secrets.get('istio-ca-secret') ?? assert.fail();
  rig.secrets.put('istio-ca-secret', made.data, { [rotateAnnotation]: 'now' });
  const { replace } = rig.secrets;
  rig.secrets.replace = () => Promise.reject(new Error('killed'));
  await assert.rejects(replica.keeper.lead(true), /killed/);
  rig.secrets.replace = replace;
  for (let count = 0; count < 5; count += 1) await round(rig, [replica]);
  assert.equal(replica.keeper.rotation?.phase, 'publish');
  assert.equal(replica.authority.material.rootFingerprints.length, 2);
});

test('a Secret that becomes unfit or vanishes while the CA runs changes nothing', async () => {
  const rig = new Rig();
  rig.secrets.put('cacerts', keySet(makeTestCa()));
  const { keeper, authority } = await rig.replica();
  const { material } = authority;
  rig.secrets.put('cacerts', { 'ca-cert.pem': 'x' });
  await assert.rejects(keeper.look(), { code: 'KEY_MATERIAL_INCOMPLETE' });
  rig.secrets.secrets.clear();
  await assert.rejects(keeper.lead(true), { code: 'KEY_MATERIAL_INCOMPLETE' });
  assert.equal(authority.material, material);
  assert.equal(rig.secrets.secrets.size, 0);
});

test('a replica that starts after the rotation ended, before that is published, serves with both roots', async () => {
  const rig = new Rig();
  const [first, next] = [makeTestCa(), makeTestCa()];
  rig.secrets.put('cacerts', keySet(next, first.rootsPem + next.rootsPem));
  const { keeper, authority } = await rig.replica();
  rig.publish(authority);
  rig.secrets.put('cacerts', keySet(next));
  const fresh = await rig.replica();
  assert.deepEqual(new Set(fresh.authority.material.rootFingerprints), new Set(rig.published?.roots));
  await keeper.look();
  await round(rig, [fresh]);
  assert.equal(fresh.keeper.rotation?.phase, 'publish');
});

test('a cacerts that appears while no CA runs is rotated to from the self-made root', async () => {
  const rig = new Rig();
  const first = await rig.replica();
  rig.publish(first.authority);
  const before = first.authority.material.signingRoot;
  rig.secrets.put('cacerts', keySet(makeTestCa()));
  const fresh = await rig.replica();
  assert.equal(fresh.authority.material.signingRoot, before);
  await round(rig, [fresh]);
  assert.equal(fresh.keeper.rotation?.phase, 'publish');
  assert.equal(fresh.authority.material.signingRoot, before);
});

test('another maker is introduced by a rotation, and so is going back', async () => {
  const rig = new Rig();
  const first = await rig.replica();
  rig.publish(first.authority);
  const selfMade = first.authority.material.signingRoot;
  const upstream = makeTestCa({ intermediate: true });
  const { signingCertificatePem: signingCertificate, signingKeyPem: signingKey, rootsPem: roots } = upstream;
  let isAway = true;
  rig.maker = {
    secretName: intermediateSecretName,
    secretType: 'Opaque',
    supersedes: selfMadeSecretName,
    renewAtPart: 0.3,
    make: () =>
      isAway
        ? Promise.reject(new Error('nobody signs'))
        : Promise.resolve({ signingCertificate, signingKey, roots, chain: signingCertificate }),
  };
  const rotate = async (replica: Awaited<ReturnType<Rig['replica']>>): Promise<void> => {
    for (let count = 0; count < 8; count += 1) {
      await round(rig, [replica]);
      rig.clock.advance(stepMs / 2);
    }
    assert.equal(replica.keeper.rotation, undefined);
  };
  const second = await rig.replica();
  assert.equal(second.authority.material.signingRoot, selfMade);
  await assert.rejects(second.keeper.lead(true), /nobody signs/);
  assert.deepEqual(await second.keeper.lead(true), { kind: 'rest' }, 'it is not tried again at once');
  isAway = false;
  rig.clock.advance(300_000);
  await rotate(second);
  assert.equal(second.authority.material.rootsPem, roots);
  rig.maker = undefined;
  const third = await rig.replica();
  assert.equal(third.authority.material.signingRoot, second.authority.material.signingRoot);
  await rotate(third);
  assert.equal(third.authority.material.signingRoot, selfMade);
});
