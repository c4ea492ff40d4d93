/** Who gets a certificate for whom, with tokens of a real API server. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { makeSpiffeId } from '@ambit/identity';
import { eventually } from '@ambit/testing';
import type { RunningCa } from './ca.ts';
import { CaCluster, type TestPod } from './testing/ca-cluster.ts';

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'];
const skip = kubeconfig === undefined ? 'AMBIT_TEST_KUBECONFIG names no cluster' : false;
const signal = AbortSignal.timeout(240_000);

let cluster: CaCluster;
let ca: RunningCa;
let shop: string;
let node1: string;
let node2: string;
let proxy1: TestPod;
let proxyToken: string;

const idOf = (namespace: string, serviceAccount: string, trustDomain = 'cluster.local') =>
  makeSpiffeId({ trustDomain, namespace, serviceAccount });

before(async () => {
  if (kubeconfig === undefined) return;
  cluster = await CaCluster.open(kubeconfig);
  shop = await cluster.addNamespace(`${cluster.id}-shop`);
  [node1, node2] = [`${cluster.id}-node1`, `${cluster.id}-node2`];
  await cluster.addAccount(cluster.namespace, 'ztunnel');
  await cluster.addAccount(cluster.namespace, 'other');
  for (const account of ['cart', 'pay', 'late', 'batch', 'idle']) await cluster.addAccount(shop, account);
  await cluster.addPod(shop, 'cart', 'cart', node1);
  await cluster.addPod(shop, 'pay', 'pay', node2);
  proxy1 = await cluster.addPod(cluster.namespace, 'ztunnel-1', 'ztunnel', node1);
  proxyToken = await cluster.token(cluster.namespace, 'ztunnel', proxy1);
  ca = await cluster.startCa();
  const ready = `http://127.0.0.1:${ca.httpPort}/ready`;
  await eventually('the CA is ready', async () => (await fetch(ready)).ok);
});

after(async () => {
  await ca?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

async function fetchFor(token: string, namespace: string, account: string, trustDomain?: string): Promise<string> {
  using caller = cluster.caClient(ca, token, { isImpersonating: true });
  const { certificateChainPem } = await caller.client.fetchCertificate(idOf(namespace, account, trustDomain), {
    signal,
  });
  return new X509Certificate(certificateChainPem).subjectAltName ?? '';
}

/** Refused with the constant text; the reason is in the log only. */
async function assertRefused(
  request: Promise<string>,
  kind: 'authenticate' | 'impersonation',
  reason: RegExp,
): Promise<void> {
  const seen = cluster.logLines.length;
  const text =
    kind === 'authenticate' ? 'request authenticate failure' : 'request impersonation authentication failure';
  await assert.rejects(request, (error: Error) => {
    const { cause } = error;
    assert.match(`${error.message} ${cause instanceof Error ? cause.message : ''}`, new RegExp(text));
    return true;
  });
  assert.match(cluster.logLines.slice(seen).join(''), reason);
}

test('a node proxy gets the certificate of a workload of its node', { skip }, async () => {
  assert.equal(await fetchFor(proxyToken, shop, 'cart'), `URI:${idOf(shop, 'cart')}`);
});

test('a stolen node token gets nothing beyond its node', { skip }, async () => {
  await assertRefused(fetchFor(proxyToken, shop, 'pay'), 'impersonation', /no pod of .*pay on node/);
  await assertRefused(fetchFor(proxyToken, shop, 'idle'), 'impersonation', /no pod of .*idle on node/);
  await assertRefused(fetchFor(proxyToken, 'kube-system', 'default'), 'impersonation', /no pod of/);
  await assertRefused(fetchFor(proxyToken, shop, 'cart', 'other.domain'), 'impersonation', /another trust domain/);
});

test('trap 37: a workload that is scheduled now gets its certificate at once', { skip }, async () => {
  for (let round = 0; round < 5; round += 1) {
    const pod = await cluster.addPod(shop, `late-${round}`, 'late', node1);
    assert.equal(await fetchFor(proxyToken, shop, 'late'), `URI:${idOf(shop, 'late')}`);
    await cluster.deletePod(pod);
  }
});

test('a new node proxy is known at once', { skip }, async () => {
  const pod = await cluster.addPod(cluster.namespace, 'ztunnel-new', 'ztunnel', node2);
  const token = await cluster.token(cluster.namespace, 'ztunnel', pod);
  assert.equal(await fetchFor(token, shop, 'pay'), `URI:${idOf(shop, 'pay')}`);
  await assertRefused(fetchFor(token, shop, 'cart'), 'impersonation', /no pod of/);
});

function isRefused(certificate: Promise<unknown>): Promise<boolean> {
  return certificate.then(
    () => false,
    () => true,
  );
}

test('a pod that has ended needs no certificate', { skip }, async () => {
  const pod = await cluster.addPod(shop, 'batch', 'batch', node1);
  await fetchFor(proxyToken, shop, 'batch');
  await cluster.setPhase(pod, 'Succeeded');
  await eventually('no certificate is given', () => isRefused(fetchFor(proxyToken, shop, 'batch')));
});

test('tokens of others, of other audiences, without a pod or changed get no other identity', { skip }, async () => {
  const { namespace } = cluster;
  const foreign = await cluster.addPod(namespace, 'other', 'other', node1);
  const [other, unbound, audience, api] = await Promise.all([
    cluster.token(namespace, 'other', foreign),
    cluster.token(namespace, 'ztunnel'),
    cluster.token(namespace, 'ztunnel', proxy1, ['vault']),
    cluster.token(namespace, 'ztunnel', proxy1, []),
  ]);
  await assertRefused(fetchFor(other, shop, 'cart'), 'impersonation', /no trusted node account/);
  await assertRefused(fetchFor(unbound, shop, 'cart'), 'impersonation', /not bound to a pod/);
  await assertRefused(fetchFor(audience, shop, 'cart'), 'authenticate', /does not accept the token/);
  await assertRefused(fetchFor(api, shop, 'cart'), 'authenticate', /does not accept the token/);
  const [header, payload, signature = ''] = proxyToken.split('.');
  const forged = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  await assertRefused(fetchFor(forged, shop, 'cart'), 'authenticate', /does not accept the token/);
});

test('a node token ends with its pod', { skip }, async () => {
  const pod = await cluster.addPod(cluster.namespace, 'ztunnel-gone', 'ztunnel', node1);
  const token = await cluster.token(cluster.namespace, 'ztunnel', pod);
  await fetchFor(token, shop, 'cart');
  await cluster.deletePod(pod);
  // Though the review of the token may be remembered for seconds, the pod is looked for each time.
  await eventually('the token of a deleted pod is no good', () => isRefused(fetchFor(token, shop, 'cart')));
});

test('a caller without impersonation gets its own identity and no other', { skip }, async () => {
  const pod = await cluster.addPod(shop, 'own', 'pay', node1);
  using caller = cluster.caClient(ca, await cluster.token(shop, 'pay', pod), { isImpersonating: false });
  const { identity } = await caller.client.fetchCertificate(idOf(shop, 'pay'), { signal });
  assert.equal(identity, idOf(shop, 'pay'));
  await assert.rejects(caller.client.fetchCertificate(idOf(shop, 'cart'), { signal }));
});

test('no token and no key is in the log', { skip }, () => {
  assert.doesNotMatch(cluster.logLines.join(''), /eyJ|PRIVATE KEY/);
});
