import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTestCa } from '@ambit/testing';
import { readWantingNamespace } from './published-map.ts';
import { readPublishedTrust, rootMap } from './root-config-map.ts';

const { rootsPem } = makeTestCa();
const map = rootMap(() => ({ rootsPem, signingRoot: 'AA:BB' }));
const { object: published, digest } = map.content() ?? assert.fail();

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
  assert.deepEqual(published['metadata'], {
    labels: { 'istio.io/config': 'true' },
    annotations: { 'ambit.io/signing-root': 'AA:BB' },
  });
  assert.equal(map.digestOf(published), digest);
  const trust = readPublishedTrust(published);
  assert.ok(typeof trust !== 'string');
  assert.deepEqual([trust.root, trust.roots.length, trust.pem], ['AA:BB', 1, rootsPem]);
});

test('every change of the ConfigMap that matters changes the digest', () => {
  for (const object of [
    {},
    { data: {} },
    { ...published, data: { 'root-cert.pem': `${rootsPem}\n` } },
    { ...published, data: { 'root-cert.pem': 7 } },
    { ...published, metadata: {} },
  ]) {
    assert.notEqual(map.digestOf(object), digest);
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
