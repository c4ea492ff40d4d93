import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { makeTestCa } from '@ambit/testing';
import fc from 'fast-check';
import { checkMaterial } from '../keys/signing-material.ts';
import { readRequestStatus } from './cert-manager-signer.ts';
import { parseIssuerReference } from './issuer-reference.ts';
import { assembleSet } from './upstream-maker.ts';

test('issuers are named in three forms', () => {
  assert.deepEqual(parseIssuerReference('cert-manager:mesh-ca'), {
    group: 'cert-manager.io',
    kind: 'Issuer',
    name: 'mesh-ca',
  });
  assert.equal(parseIssuerReference('cert-manager:ClusterIssuer/mesh').kind, 'ClusterIssuer');
  assert.deepEqual(parseIssuerReference('cert-manager:AWSPCAIssuer.awspca.cert-manager.io/pca'), {
    group: 'awspca.cert-manager.io',
    kind: 'AWSPCAIssuer',
    name: 'pca',
  });
  for (const text of ['', 'mesh', 'cert-manager:', 'cert-manager:A/B/c', 'vault:x', 'cert-manager:Issuer/Bad Name']) {
    assert.throws(() => parseIssuerReference(text), /expected cert-manager:/);
  }
});

const ready = (status: string, reason: string, more: object = {}): object => ({
  status: { conditions: [{ type: 'Ready', status, reason, message: `said ${reason}` }], ...more },
});
const encoded = (text: string): string => Buffer.from(text).toString('base64');

test('a request waits until it is signed, and a refusal is told with its reason', () => {
  assert.deepEqual(readRequestStatus({}), { kind: 'waiting', reason: '' });
  assert.deepEqual(readRequestStatus(ready('False', 'Pending')), { kind: 'waiting', reason: 'said Pending' });
  assert.deepEqual(readRequestStatus(ready('True', 'Issued')), { kind: 'waiting', reason: 'said Issued' });
  assert.deepEqual(readRequestStatus(ready('True', 'Issued', { certificate: encoded('c'), ca: encoded('r') })), {
    kind: 'issued',
    answer: { chainPem: 'c', caPem: 'r' },
  });
  assert.deepEqual(readRequestStatus(ready('False', 'Failed')), { kind: 'refused', reason: 'Failed said Failed' });
  for (const type of ['Denied', 'InvalidRequest']) {
    const refused = { status: { conditions: [{ type, status: 'True', reason: 'Policy', message: 'no' }] } };
    assert.deepEqual(readRequestStatus(refused), { kind: 'refused', reason: 'Policy no' });
  }
  assert.equal(readRequestStatus(undefined).kind, 'refused');
  fc.assert(fc.property(fc.anything(), (value) => void readRequestStatus(value)));
});

test('an answer is sorted into signing certificate, links and roots, however they are mixed', () => {
  const ca = makeTestCa({ intermediate: true });
  for (const answer of [
    { chainPem: ca.signingCertificatePem, caPem: ca.rootsPem },
    { chainPem: ca.signingCertificatePem + ca.rootsPem, caPem: '' },
    { chainPem: ca.signingCertificatePem + ca.rootsPem, caPem: ca.rootsPem },
  ]) {
    const set = assembleSet('Issuer x', answer, ca.signingKeyPem);
    assert.equal(set.roots, ca.rootsPem);
    const material = checkMaterial(set, Date.now());
    assert.deepEqual(material.intermediatesPem, [ca.signingCertificatePem]);
  }
});

test('an answer without a root, without a certificate or without sense is refused with advice', () => {
  const ca = makeTestCa({ intermediate: true });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  for (const [chainPem, reason] of [
    [ca.signingCertificatePem, /without a self-signed root/],
    ['', /without a certificate/],
    ['-----BEGIN NONSENSE-----', /something else than certificates/],
    [key, /something else than certificates/],
  ] as const) {
    assert.throws(() => assembleSet('Issuer x', { chainPem, caPem: '' }, key), {
      code: 'UPSTREAM_FAILED',
      message: reason,
    });
  }
});
