import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { auth } from '@ambit/api';
import { GrpcServer, methodDefinition, type ServerTlsMaterial, TlsServerCredentials, unaryHandler } from '@ambit/grpc';
import { CertificateSigner, decodePem, encodePem, makeSpiffeId, parseCertificate, readCsr } from '@ambit/identity';
import { systemClock } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { create } from '@bufbuild/protobuf';
import { openServingCertificate, type ServingCertificateOptions } from './serving-certificate.ts';

const ca = makeTestCa();
const identity = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'istio-system', serviceAccount: 'istiod' });

/** A CA that certifies whoever shows the right token, under one more name. */
function issuingServer(): GrpcServer {
  const [der] = decodePem('CERTIFICATE', ca.signingCertificatePem, 1);
  assert.ok(der !== undefined);
  const signer = new CertificateSigner(parseCertificate(der), createPrivateKey(ca.signingKeyPem));
  const method = methodDefinition(auth.IstioCertificateService.method.createCertificate);
  const handler = unaryHandler(method, async (request, call) => {
    assert.equal(call.header('authorization'), 'Bearer a.b.c');
    const leaf = signer.issueLeaf({
      publicKeyInfo: readCsr(request.csr).publicKeyInfo,
      altNames: { uris: [identity], dnsNames: ['istiod.istio-system.svc'], ipAddresses: ['127.0.0.1'] },
      notBeforeMs: Date.now() - 60_000,
      notAfterMs: Date.now() + 3_600_000,
    });
    return create(auth.IstioCertificateResponseSchema, {
      certChain: [encodePem('CERTIFICATE', leaf.der), ca.rootsPem],
    });
  });
  return new GrpcServer({ handlers: [handler] });
}

async function namesServed({ certificateChainPem: cert, privateKeyPem: key }: ServerTlsMaterial): Promise<string> {
  await using server = createServer({ cert, key, ALPNProtocols: ['h2'] });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: '127.0.0.1', port: address.port, ca: ca.rootsPem, ALPNProtocols: ['h2'] }, () => {
    resolve(socket.getPeerCertificate().subjectaltname ?? '');
    socket.destroy();
  });
  socket.on('error', reject);
  return await promise;
}

function options(signal: AbortSignal = new AbortController().signal): ServingCertificateOptions & { errors: string[] } {
  const errors: string[] = [];
  return { clock: systemClock, signal, errors, onError: (error) => errors.push(error.code) };
}

function caSource(port: number) {
  return {
    kind: 'ca',
    address: `https://127.0.0.1:${port}`,
    roots: { kind: 'inline', pem: ca.rootsPem },
    token: { kind: 'literal', token: 'a.b.c' },
    clusterId: 'Kubernetes',
    identity,
    ttlSec: 3600,
  } as const;
}

test('the certificate asked from the CA is served with the names the CA put into it', async () => {
  await using server = issuingServer();
  const leaf = ca.issue(undefined, { ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
  const port = await server.listen({ address: '127.0.0.1', port: 0, tls: new TlsServerCredentials(leaf) });
  using certificate = await openServingCertificate(caSource(port), options());
  assert.equal(
    await namesServed(certificate.material),
    'URI:spiffe://cluster.local/ns/istio-system/sa/istiod, DNS:istiod.istio-system.svc, IP Address:127.0.0.1',
  );
});

test('a CA that does not answer is reported, and waiting ends with the signal', async () => {
  const stop = new AbortController();
  const given = options(stop.signal);
  const opening = openServingCertificate(caSource(9), {
    ...given,
    onError: (error) => {
      given.errors.push(error.code);
      stop.abort(new Error('told to stop'));
    },
  });
  await assert.rejects(opening, /told to stop/);
  assert.deepEqual(given.errors, ['CA_REQUEST_FAILED']);
});

test('files that are missing are refused with the name of the file', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-serving-'));
  try {
    const source = {
      kind: 'files',
      certificateFile: join(directory, 'cert.pem'),
      privateKeyFile: join(directory, 'key.pem'),
      clientRootsFile: undefined,
    } as const;
    await assert.rejects(openServingCertificate(source, options()), {
      code: 'SERVING_CERTIFICATE',
      message: /cert\.pem/,
    });
    const [one, other] = [ca.issue(undefined, { dnsNames: ['a'] }), ca.issue(undefined, { dnsNames: ['b'] })];
    writeFileSync(source.certificateFile, one.certificateChainPem);
    writeFileSync(source.privateKeyFile, other.privateKeyPem);
    await assert.rejects(openServingCertificate(source, options()));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
