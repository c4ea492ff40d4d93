import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTestCa } from '@ambit/testing';
import {
  digestOfBundle,
  digestOfConfigMap,
  readPublishedTrust,
  readWantingNamespace,
  rootConfigMap,
} from './root-config-map.ts';

const { rootsPem } = makeTestCa();
const bundle = { rootsPem, signingRoot: 'AA:BB' };

test('trap 44: kube-system gets the roots, the namespaces that Istio leaves out and dying ones do not', () => {
  const named = (name: string, more: object = {}): string | undefined =>
    readWantingNamespace({ metadata: { name, ...more } });
  assert.deepEqual(
    ['kube-system', 'shop', 'kube-public', 'kube-node-lease', 'local-path-storage'].map((name) => named(name)),
    ['kube-system', 'shop', undefined, undefined, undefined],
  );
  assert.equal(named('shop', { deletionTimestamp: '2026-01-01T00:00:00Z' }), undefined);
});

test('what is published is read back as it was, and has the label that istiod gives', () => {
  const object = rootConfigMap(bundle);
  assert.deepEqual(object['metadata'], {
    labels: { 'istio.io/config': 'true' },
    annotations: { 'ambit.io/signing-root': 'AA:BB' },
  });
  assert.equal(digestOfConfigMap(object), digestOfBundle(bundle));
  const trust = readPublishedTrust(object);
  assert.ok(typeof trust !== 'string');
  assert.deepEqual([trust.root, trust.roots.length, trust.pem], ['AA:BB', 1, rootsPem]);
});

test('every change of the ConfigMap that matters changes the digest', () => {
  for (const object of [
    {},
    { data: {} },
    { ...rootConfigMap(bundle), data: { 'root-cert.pem': `${rootsPem}\n` } },
    { ...rootConfigMap(bundle), data: { 'root-cert.pem': 7 } },
    { ...rootConfigMap(bundle), metadata: {} },
  ]) {
    assert.notEqual(digestOfConfigMap(object), digestOfBundle(bundle));
  }
});

test("istiod's ConfigMap names no signer, and one without certificates tells why it is of no use", () => {
  const trust = readPublishedTrust({ data: { 'root-cert.pem': rootsPem } });
  assert.ok(typeof trust !== 'string');
  assert.equal(trust.root, undefined);
  assert.equal(readPublishedTrust({ data: {} }), 'it holds no certificate');
  assert.match(String(readPublishedTrust({ data: { 'root-cert.pem': '-----BEGIN X' } })), /cannot be used/);
  assert.equal(typeof readPublishedTrust(undefined), 'string');
});
