import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { auth } from '@ambit/api';
import { GrpcChannel, healthCheckMethod, methodDefinition } from '@ambit/grpc';
import { GrpcCaClient, createKeyAndCsr, makeSpiffeId } from '@ambit/identity';
import { makeTestCa } from '@ambit/testing';
import { create } from '@bufbuild/protobuf';
import { CaUnderTest } from './testing/ca-under-test.ts';
import { TokenIssuer } from './testing/token-issuer.ts';

const idOf = (account: string, trustDomain = 'cluster.local') => {
  const [namespace = '', serviceAccount = ''] = account.split('/');
  return makeSpiffeId({ trustDomain, namespace, serviceAccount });
};
const cart = idOf('shop/cart');
const never = new AbortController().signal;
const method = methodDefinition(auth.IstioCertificateService.method.createCertificate);

function request(
  fields: Partial<{ csr: string; seconds: bigint; wanted: string | number }> = {},
): auth.IstioCertificateRequest {
  return create(auth.IstioCertificateRequestSchema, {
    csr: fields.csr ?? createKeyAndCsr(cart).csrPem,
    validityDuration: fields.seconds ?? 3600n,
    ...(fields.wanted === undefined ? {} : { metadata: { ImpersonatedIdentity: fields.wanted } }),
  });
}

const leafOf = (response: auth.IstioCertificateResponse) => new X509Certificate(response.certChain[0] ?? '');

test('trap 39: a node proxy gets a certificate for a workload of its node, with chain [leaf, root]', async () => {
  await using ca = await CaUnderTest.start();
  const { client, channel } = ca.nodeClient('node1');
  using _ = channel;
  const askedMs = Date.now();
  const certificate = await client.fetchCertificate(cart, { signal: never });
  const answeredMs = Date.now();
  assert.equal(certificate.identity, cart);
  assert.equal(certificate.rootsPem, ca.rootsPem);
  assert.equal(certificate.chain.length, 1);
  const leaf = new X509Certificate(certificate.certificateChainPem);
  assert.equal(leaf.subjectAltName, `URI:${cart}`);
  assert.equal(certificate.notAfterMs - certificate.notBeforeMs, 86_400_000 + 120_000);
  // Whole seconds, two minutes before the issue.
  const issuedMs = certificate.notBeforeMs + 120_000;
  assert.ok(issuedMs > askedMs - 1000 && issuedMs <= answeredMs, `${askedMs} ${issuedMs} ${answeredMs}`);
});

test('an issued certificate is on the audit trail, in the log and in the metrics, and no token is in the log', async () => {
  await using ca = await CaUnderTest.start();
  const { client, channel } = ca.nodeClient('node1');
  using _ = channel;
  const certificate = await client.fetchCertificate(cart, { signal: never });
  const serialNumber = BigInt(certificate.serialNumber).toString(16);
  assert.deepEqual(ca.events, [
    {
      event: 'cert.issued',
      payload: {
        identity: cart,
        caller: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel',
        serialNumber,
        notAfterWallTimeMs:
          ca.events.length === 1 ? (ca.events[0]!.payload as { notAfterWallTimeMs: number }).notAfterWallTimeMs : 0,
      },
    },
  ]);
  const log = ca.logLines.join('');
  assert.match(log, /"message":"certificate issued"/);
  assert.match(log, new RegExp(serialNumber));
  assert.doesNotMatch(log, /eyJ|PRIVATE KEY/);
  const base = `http://127.0.0.1:${ca.running.httpPort}`;
  const metrics = await (await fetch(`${base}/metrics`)).text();
  assert.match(metrics, /^citadel_server_success_cert_issuance_count 1$/m);
  assert.match(metrics, /^citadel_server_root_cert_expiry_seconds 3\d{8}/m);
  assert.match(await (await fetch(`${base}/audit`)).text(), new RegExp(`"event":"cert.issued".*${serialNumber}`));
  const ready = await fetch(`${base}/ready`);
  assert.deepEqual([ready.status, await ready.text()], [200, 'ready\n']);
});

test('trap 36: without impersonation the caller gets its own identity, whatever its request asks for', async () => {
  await using ca = await CaUnderTest.start();
  using channel = ca.channel({ bearer: ca.issuer.issue('shop/web', 'node1') });
  const response = await channel.unary(method, request({ csr: createKeyAndCsr(idOf('kube-system/admin')).csrPem }));
  assert.equal(leafOf(response).subjectAltName, `URI:${idOf('shop/web')}`);
});

test('a caller renews with the certificate it has and no token', async () => {
  await using ca = await CaUnderTest.start();
  using first = ca.channel({ bearer: ca.issuer.issue('shop/web', 'node1') });
  const own = await new GrpcCaClient({ channel: first, isImpersonating: false }).fetchCertificate(idOf('shop/web'), {
    signal: never,
  });
  using second = ca.channel({ clientCertificate: own });
  const response = await second.unary(method, request());
  assert.equal(leafOf(response).subjectAltName, `URI:${idOf('shop/web')}`);
});

test('a client certificate of another CA or trust domain authenticates nobody', async () => {
  await using ca = await CaUnderTest.start();
  using foreign = ca.channel({ clientCertificate: makeTestCa().issue(idOf('shop/web')) });
  await assert.rejects(foreign.unary(method, request()), {
    status: 'UNAUTHENTICATED',
    message: 'request authenticate failure',
  });
});

test('a client certificate cannot impersonate, because it is bound to no pod', async () => {
  await using ca = await CaUnderTest.start();
  using first = ca.channel({ bearer: ca.issuer.issue('istio-system/ztunnel', 'node1') });
  const identity = idOf('istio-system/ztunnel');
  const own = await new GrpcCaClient({ channel: first, isImpersonating: false }).fetchCertificate(identity, {
    signal: never,
  });
  using second = ca.channel({ clientCertificate: own });
  await assert.rejects(second.unary(method, request({ wanted: cart })), {
    message: 'request impersonation authentication failure',
  });
});

const other = new TokenIssuer();
const nowSec = Math.floor(Date.now() / 1000);
const badTokens: readonly (readonly [string, (issuer: TokenIssuer) => string])[] = [
  ['another audience', (issuer) => issuer.issue('shop/web', 'n', { claims: { aud: ['vault'] } })],
  ['no audience', (issuer) => issuer.issue('shop/web', 'n', { claims: { aud: undefined } })],
  ['an expiry in the past', (issuer) => issuer.issue('shop/web', 'n', { claims: { exp: nowSec - 60 } })],
  ['no expiry', (issuer) => issuer.issue('shop/web', 'n', { claims: { exp: undefined } })],
  ['a start in the future', (issuer) => issuer.issue('shop/web', 'n', { claims: { nbf: nowSec + 600 } })],
  ['algorithm none', (issuer) => issuer.issue('shop/web', 'n', { header: { alg: 'none' } })],
  ['algorithm HS256', (issuer) => issuer.issue('shop/web', 'n', { header: { alg: 'HS256' } })],
  ['algorithm RS256 over an EC key', (issuer) => issuer.issue('shop/web', 'n', { header: { alg: 'RS256' } })],
  ['the key of another issuer', () => other.issue('shop/web', 'n')],
  ['an unknown key id', (issuer) => issuer.issue('shop/web', 'n', { header: { kid: 'nobody' } })],
  ['a changed payload', (issuer) => swapPayload(issuer.issue('shop/web', 'n'), issuer.issue('shop/admin', 'n'))],
  ['a subject that is no service account', (issuer) => issuer.issue('shop/web', 'n', { claims: { sub: 'alice' } })],
  [
    'a subject with five parts',
    (issuer) => issuer.issue('shop/web', 'n', { claims: { sub: 'system:serviceaccount:a:b:c' } }),
  ],
  [
    'two different service accounts',
    (issuer) => issuer.issue('shop/web', 'n', { kubernetes: { serviceaccount: { name: 'x' } } }),
  ],
  ['two different namespaces', (issuer) => issuer.issue('shop/web', 'n', { kubernetes: { namespace: 'x' } })],
  ['a service account that is no id', (issuer) => issuer.issue('shop/we b', 'n')],
  ['an unknown critical header', (issuer) => issuer.issue('shop/web', 'n', { header: { crit: ['x'], x: 1 } })],
  ['text that is no token', () => 'a.b.c'],
];

function swapPayload(token: string, donor: string): string {
  const [header, , signature] = token.split('.');
  return `${header}.${donor.split('.')[1]}.${signature}`;
}

test('every kind of bad token is refused with the same text', async (t) => {
  await using ca = await CaUnderTest.start();
  for (const [name, make] of badTokens) {
    await t.test(name, async () => {
      using channel = ca.channel({ bearer: make(ca.issuer) });
      await assert.rejects(channel.unary(method, request()), {
        status: 'UNAUTHENTICATED',
        message: 'request authenticate failure',
      });
    });
  }
  await t.test('no token', async () => {
    using channel = ca.channel();
    await assert.rejects(channel.unary(method, request()), {
      status: 'UNAUTHENTICATED',
      message: 'request authenticate failure',
    });
  });
  await t.test('trap 41: a cluster nobody knows', async () => {
    using channel = ca.channel({ bearer: ca.issuer.issue('shop/web', 'n'), clusterId: 'remote' });
    await assert.rejects(channel.unary(method, request()), {
      status: 'UNAUTHENTICATED',
      message: 'request authenticate failure',
    });
  });
  assert.deepEqual(ca.events, []);
});

test('impersonation is refused unless node, account, token, identity and cluster all fit', async (t) => {
  const outside = 'spiffe://elsewhere/ns/shop/sa/cart';
  await using ca = await CaUnderTest.start({ assignments: { node1: [cart, outside], node2: [idOf('shop/web')] } });
  const ztunnel = 'istio-system/ztunnel';
  const cases: readonly (readonly [string, string, string | number, { noCluster?: boolean }?])[] = [
    ['a workload of another node', ca.issuer.issue(ztunnel, 'node1'), idOf('shop/web')],
    ['a node nobody knows', ca.issuer.issue(ztunnel, 'node9'), cart],
    ['a caller that is no node proxy', ca.issuer.issue('shop/cart', 'node1'), cart],
    ['a node proxy name in another namespace', ca.issuer.issue('shop/ztunnel', 'node1'), cart],
    [
      'trap 37: a token that is not bound to a pod',
      ca.issuer.issue(ztunnel, 'node1', { kubernetes: { pod: undefined } }),
      cart,
    ],
    ['a token that names no node', ca.issuer.issue(ztunnel, 'node1', { kubernetes: { node: undefined } }), cart],
    ['an identity that is no SPIFFE id', ca.issuer.issue(ztunnel, 'node1'), 'shop/cart'],
    ['an identity that is no text', ca.issuer.issue(ztunnel, 'node1'), 7],
    ['trap 38: a foreign trust domain', ca.issuer.issue(ztunnel, 'node1'), outside],
    ['trap 59: a request without cluster', ca.issuer.issue(ztunnel, 'node1'), cart, { noCluster: true }],
  ];
  for (const [name, bearer, wanted, { noCluster } = {}] of cases) {
    await t.test(name, async () => {
      const roots = { kind: 'inline', pem: ca.rootsPem } as const;
      const token = { kind: 'literal', token: bearer } as const;
      const address = `https://127.0.0.1:${ca.running.port}`;
      using channel = new GrpcChannel({
        address,
        roots,
        token,
        ...(noCluster === true ? {} : { clusterId: 'Kubernetes' }),
      });
      await assert.rejects(channel.unary(method, request({ wanted })), {
        status: 'UNAUTHENTICATED',
        message: 'request impersonation authentication failure',
      });
    });
  }
  assert.deepEqual(ca.events, []);
});

test('an assignment is in force at the next request after the file changed, and an unreadable file grants nothing', async () => {
  await using ca = await CaUnderTest.start({ assignments: {} });
  const { client, channel } = ca.nodeClient('node1');
  using _ = channel;
  const refused = { code: 'CA_REQUEST_FAILED' };
  await assert.rejects(client.fetchCertificate(cart, { signal: never }), refused);
  ca.assign({ node1: [cart] });
  await client.fetchCertificate(cart, { signal: never });
  ca.write('assignments.json', '{"node1": "everything"}');
  await assert.rejects(client.fetchCertificate(cart, { signal: never }), refused);
  ca.assign({ node1: [cart] });
  await client.fetchCertificate(cart, { signal: never });
  rmSync(join(ca.folder, 'assignments.json'));
  await assert.rejects(client.fetchCertificate(cart, { signal: never }), refused);
});

test('a changed key set is in force at the next request, and one with a private key is not used', async () => {
  await using ca = await CaUnderTest.start();
  const next = new TokenIssuer();
  using channel = ca.channel({ bearer: next.issue('shop/web', 'node1') });
  await assert.rejects(channel.unary(method, request()), { status: 'UNAUTHENTICATED' });
  ca.write('jwks.json', next.jwks);
  await channel.unary(method, request());
  ca.write('jwks.json', next.jwks.replace('"kty"', '"d":"AA","kty"'));
  await assert.rejects(channel.unary(method, request()), { status: 'UNAUTHENTICATED' });
});

test('a TTL above the maximum is an error, zero means the default, and a bad request is INVALID_ARGUMENT', async () => {
  await using ca = await CaUnderTest.start();
  using channel = ca.channel({ bearer: ca.issuer.issue('shop/web', 'node1') });
  const lifeOf = async (seconds: bigint): Promise<number> => {
    const leaf = leafOf(await channel.unary(method, request({ seconds })));
    return (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 1000 - 120;
  };
  assert.equal(await lifeOf(0n), 86_400);
  assert.equal(await lifeOf(-5n), 86_400);
  assert.equal(await lifeOf(90n * 86_400n), 90 * 86_400);
  const invalid = { status: 'INVALID_ARGUMENT' };
  await assert.rejects(channel.unary(method, request({ seconds: 90n * 86_400n + 1n })), invalid);
  await assert.rejects(channel.unary(method, request({ seconds: 2n ** 62n })), invalid);
  for (const csr of ['', 'hello', createKeyAndCsr(cart).csrPem.replace(/[A-Z]/, 'a')]) {
    await assert.rejects(channel.unary(method, request({ csr })), invalid);
  }
  await assert.rejects(channel.unary(method, request({ csr: 'x'.repeat(70_000) })), { status: 'RESOURCE_EXHAUSTED' });
});

test('an account with serving names gets them in its own certificate, a node proxy never does', async () => {
  const istiod = idOf('istio-system/istiod');
  await using ca = await CaUnderTest.start({
    assignments: { node1: [istiod] },
    config: { servingNames: ['istio-system/istiod=istiod.istio-system.svc+10.9.0.1'] },
  });
  using own = ca.channel({ bearer: ca.issuer.issue('istio-system/istiod', 'node1') });
  const leaf = leafOf(await own.unary(method, request()));
  assert.equal(leaf.subjectAltName, `URI:${istiod}, DNS:istiod.istio-system.svc, IP Address:10.9.0.1`);
  const { channel } = ca.nodeClient('node1');
  using _ = channel;
  const impersonated = leafOf(await channel.unary(method, request({ wanted: istiod })));
  assert.equal(impersonated.subjectAltName, `URI:${istiod}`);
});

test('health says SERVING and asks for no credentials', async () => {
  await using ca = await CaUnderTest.start();
  using channel = ca.channel();
  assert.equal(await channel.unary(healthCheckMethod, { service: '' }), 'SERVING');
});

test('a client that does not trust the root, or expects another name, does not connect', async () => {
  await using ca = await CaUnderTest.start();
  const bearer = ca.issuer.issue('shop/web', 'node1');
  using stranger = ca.channel({ bearer, roots: { kind: 'inline', pem: makeTestCa().rootsPem } });
  await assert.rejects(stranger.unary(method, request(), { timeoutMs: 3000 }), { status: 'UNAVAILABLE' });
  using named = ca.channel({ bearer, address: `https://localhost:${ca.running.port}` });
  await named.unary(method, request());
});
