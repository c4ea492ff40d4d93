import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallContext } from '@ambit/grpc';
import { decodePem } from '@ambit/identity';
import { makeTestCa } from '@ambit/testing';
import { ClientCertificateAuthenticator } from './client-certificate-authenticator.ts';

const ca = makeTestCa();

/** A call over a connection whose client has shown this certificate, which leads to the mesh's roots. */
function callWith(certificatePem: string | undefined): CallContext {
  return {
    signal: new AbortController().signal,
    peer: '10.0.0.9:40000',
    clientCertificate: certificatePem === undefined ? undefined : decodePem('CERTIFICATE', certificatePem, 2)[0],
    header: () => undefined,
  };
}

for (const [what, uri, outcome] of [
  ['its own identity again', 'spiffe://cluster.local/ns/shop/sa/web', 'spiffe://cluster.local/ns/shop/sa/web'],
  ['nothing of this mesh for an identity of another', 'spiffe://elsewhere/ns/shop/sa/web', 'another trust domain'],
  ['nothing for a name that is no workload', 'https://example.com', 'no SPIFFE id'],
  ['nothing for no name at all', undefined, 'no SPIFFE id'],
] as const) {
  test(`who shows a certificate gets ${what}`, async () => {
    const leaf = ca.issue(uri, { dnsNames: ['web.shop'] });
    const verdict = await new ClientCertificateAuthenticator('cluster.local').authenticate(
      callWith(leaf.certificateChainPem),
    );
    const told = verdict.kind === 'caller' ? verdict.caller.identity : verdict.kind === 'refused' ? verdict.reason : '';
    assert.equal(verdict.kind, outcome.startsWith('spiffe:') ? 'caller' : 'refused');
    assert.ok(told.includes(outcome), told);
  });
}

test('without a certificate others decide', async () => {
  const verdict = await new ClientCertificateAuthenticator('cluster.local').authenticate(callWith(undefined));
  assert.equal(verdict.kind, 'no-credentials');
});
