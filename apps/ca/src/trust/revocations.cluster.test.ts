/** Revocation lists on their way from the operator's Secret to every namespace, on a real API server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlainObject, rawKinds } from '@ambit/kube';
import { eventually, makeRevocationList, makeTestCa } from '@ambit/testing';
import { CaCluster } from '../testing/ca-cluster.ts';

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const options = { skip: kubeconfig === '' ? 'AMBIT_TEST_KUBECONFIG names no cluster' : false, timeout: 600_000 };
const ca = makeTestCa();
const keys = {
  'ca-cert.pem': ca.signingCertificatePem,
  'ca-key.pem': ca.signingKeyPem,
  'root-cert.pem': ca.rootsPem,
  'cert-chain.pem': ca.intermediatesPem + ca.rootsPem,
};

async function published(cluster: CaCluster, namespace: string): Promise<unknown> {
  const found = await cluster.client.get({ kind: rawKinds.ConfigMap, namespace, name: 'istio-ca-crl' });
  return isPlainObject(found) && isPlainObject(found['data']) ? found['data']['ca-crl.pem'] : undefined;
}

async function becomes(cluster: CaCluster, namespace: string, lists: string): Promise<void> {
  const has = async (): Promise<boolean> => (await published(cluster, namespace)) === lists;
  await eventually(`${namespace} has got ${lists.slice(0, 40)}`, has);
}

test('every namespace has the lists of cacerts, also new ones; a broken list changes nothing', options, async () => {
  await using cluster = await CaCluster.open(kubeconfig);
  const first = makeRevocationList(ca, [ca.issue('spiffe://cluster.local/ns/a/sa/b')]);
  const second = makeRevocationList(ca, []);
  await cluster.putSecret('cacerts', { ...keys, 'ca-crl.pem': first });
  await using _replica = await cluster.startCa();
  await becomes(cluster, cluster.namespace, first);
  await cluster.putSecret('cacerts', { ...keys, 'ca-crl.pem': second });
  await becomes(cluster, cluster.namespace, second);
  await cluster.putSecret('cacerts', { ...keys, 'ca-crl.pem': 'broken' });
  await becomes(cluster, await cluster.addNamespace(`${cluster.id}-late`), second);
  const refused = (): boolean => cluster.logLines.some((line) => line.includes('revocation lists refused'));
  await eventually(() => cluster.logLines.join(''), refused);
  assert.equal(await published(cluster, cluster.namespace), second);
  await cluster.client.delete({ kind: rawKinds.ConfigMap, namespace: cluster.namespace, name: 'istio-ca-crl' });
  await becomes(cluster, cluster.namespace, second);
});

test('without lists the value is empty, as istiod leaves it', options, async () => {
  await using cluster = await CaCluster.open(kubeconfig);
  await using _replica = await cluster.startCa();
  await becomes(cluster, cluster.namespace, '');
});
