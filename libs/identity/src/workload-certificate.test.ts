import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { makeTestCa } from '@ambit/testing';
import {
  CertificateSigner,
  type KeyAndCsr,
  acceptCaResponse,
  createKeyAndCsr,
  decodePem,
  encodePem,
  makeSpiffeId,
  parseCertificate,
} from './index.ts';

const id = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'cart' });
const now = Date.now();

type TestCa = ReturnType<typeof makeTestCa>;

function sign(ca: TestCa, request: KeyAndCsr, options: { uris?: string[]; notAfterMs?: number } = {}): string {
  const [der = new Uint8Array()] = decodePem('CERTIFICATE', ca.signingCertificatePem, 1);
  const signer = new CertificateSigner(parseCertificate(der), createPrivateKey(ca.signingKeyPem));
  const leaf = signer.issueLeaf({
    publicKeyInfo: request.publicKeyInfo,
    altNames: { uris: options.uris ?? [id] },
    notBeforeMs: now - 120_000,
    notAfterMs: options.notAfterMs ?? now + 3_600_000,
  });
  return encodePem('CERTIFICATE', leaf.der);
}

const ca = makeTestCa({ intermediate: true });
const other = makeTestCa();
const request = createKeyAndCsr(id);
const leaf = sign(ca, request);

test('leaf, intermediate and a bundle of two roots become chain and trust anchors', () => {
  const certificate = acceptCaResponse(id, [leaf, ca.intermediatesPem, other.rootsPem + ca.rootsPem], request, now);
  assert.equal(certificate.identity, id);
  assert.equal(certificate.certificateChainPem, leaf + ca.intermediatesPem);
  assert.equal(certificate.rootsPem, other.rootsPem + ca.rootsPem);
  assert.equal(certificate.privateKeyPem, request.privateKeyPem);
  assert.equal(certificate.roots.length, 2);
  assert.equal(certificate.refreshAtMs, (certificate.notBeforeMs + certificate.notAfterMs) / 2);
});

test('a chain that repeats the root as an intermediate is accepted', () => {
  assert.ok(acceptCaResponse(id, [leaf, ca.intermediatesPem, ca.rootsPem, ca.rootsPem], request, now));
  const direct = sign(other, request);
  assert.ok(acceptCaResponse(id, [direct, other.rootsPem], request, now));
});

const refusals: readonly (readonly [string, readonly string[]])[] = [
  ['no entries', []],
  ['a leaf alone', [leaf]],
  ['leaf and intermediate in one entry', [leaf + ca.intermediatesPem, ca.rootsPem]],
  ['an empty entry in the middle', [leaf, '', ca.rootsPem]],
  ['an empty root entry', [leaf, ca.intermediatesPem, '']],
  ['a missing intermediate', [leaf, ca.rootsPem]],
  ['a foreign root', [leaf, ca.intermediatesPem, other.rootsPem]],
  ['entries out of order', [ca.intermediatesPem, leaf, ca.rootsPem]],
  ['text that is no certificate', ['hello', ca.rootsPem]],
  ['a key among the roots', [leaf, ca.intermediatesPem, ca.rootsPem + other.signingKeyPem]],
  [
    'trap 40: another identity',
    [sign(ca, request, { uris: ['spiffe://cluster.local/ns/shop/sa/other'] }), ca.intermediatesPem, ca.rootsPem],
  ],
  [
    'the identity as second name only',
    [sign(ca, request, { uris: ['spiffe://x/ns/y/sa/z', id] }), ca.intermediatesPem, ca.rootsPem],
  ],
  ['another key', [sign(ca, createKeyAndCsr(id)), ca.intermediatesPem, ca.rootsPem]],
  ['an expired leaf', [sign(ca, request, { notAfterMs: now - 1000 }), ca.intermediatesPem, ca.rootsPem]],
  ['an endless chain', [leaf, ...Array.from({ length: 20 }, () => ca.intermediatesPem), ca.rootsPem]],
];
for (const [name, chain] of refusals) {
  test(`an answer with ${name} is refused`, () => {
    assert.throws(() => acceptCaResponse(id, chain, request, now), { code: 'CA_RESPONSE_REFUSED', retryable: true });
  });
}
