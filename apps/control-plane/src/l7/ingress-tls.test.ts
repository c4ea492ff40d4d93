/** Certificates, keys and roots at an ingress gateway. They are made here, so that no key lies in the repository. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxy } from '@ambit/api';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { makeTestCa } from '@ambit/testing';
import { meshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { describeL7 } from './describe-l7.ts';

const ca = makeTestCa();
const leaf = ca.issue(undefined, { dnsNames: ['a.example'], purposes: ['serverAuth'] });
const other = ca.issue(undefined, { dnsNames: ['b.example'], purposes: ['serverAuth'] });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const secret = (namespace: string, name: string, chain: string, key: string): string => `apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: { name: ${name}, namespace: ${namespace} }
data: { tls.crt: ${base64(chain)}, tls.key: ${base64(key)}, ca.crt: ${base64(ca.rootsPem)} }`;
const good = secret('shop', 'good', leaf.certificateChainPem, leaf.privateKeyPem);
const far = secret('other', 'far', other.certificateChainPem, other.privateKeyPem);
const mixed = secret('shop', 'mixed', leaf.certificateChainPem, other.privateKeyPem);
const grant = `apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: g, namespace: other }
spec: { from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: shop }], to: [{ group: "", kind: Secret, name: far }] }`;
const roots = `apiVersion: v1
kind: ConfigMap
metadata: { name: roots, namespace: shop }
data: { ca.crt: ${JSON.stringify(ca.rootsPem)} }`;

const gateway = (
  references: string,
  more: { tls?: string; options?: string } = {},
): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: in, namespace: shop }
spec:
  gatewayClassName: ambit
  ${more.tls === undefined ? '' : `tls: ${more.tls}`}
  listeners: [{ name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [${references}], options: { ${more.options ?? ''} } } }]`;

/** What the listener came to. */
function derive(...documents: readonly string[]) {
  const { resources, reports } = parseManifests('tls.yaml', documents.join('\n---\n'));
  assert.deepEqual(reports, []);
  const mesh = meshCollections(defaultMeshSettings);
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
  const listener = mesh.l7.servers.get('shop/in/443')?.message.listeners[0];
  const write = mesh.statuses.get('Gateway/shop/in/ambit-status');
  const conditions = write?.listeners?.[0]?.conditions ?? [];
  const reason = (type: string): string | undefined => conditions.find((one) => one.type === type)?.reason;
  const keys = listener?.tls?.keyPairs.map((pair) => Buffer.from(pair.privateKeyPem).toString()) ?? [];
  return { mesh, listener, reason, keys };
}

test('a listener gets the certificate and the key of its Secret', () => {
  const { listener, keys, reason } = derive(gateway('{ name: good }'), good);
  assert.deepEqual(keys, [leaf.privateKeyPem]);
  assert.equal(listener?.tls?.clientCertificate, proxy.ServerTls_ClientCertificate.NOT_ASKED);
  assert.equal(reason('ResolvedRefs'), 'ResolvedRefs');
});

test('trap 16: a missing grant is told before it is told whether the Secret exists', () => {
  const reference = '{ name: far, namespace: other }';
  assert.equal(derive(gateway(reference), far).reason('ResolvedRefs'), 'RefNotPermitted');
  assert.equal(derive(gateway(reference)).reason('ResolvedRefs'), 'RefNotPermitted');
  const granted = derive(gateway(reference), far, grant);
  assert.deepEqual(granted.keys, [other.privateKeyPem]);
  assert.equal(derive(gateway(reference), grant).reason('ResolvedRefs'), 'InvalidCertificateRef');
});

test('of several certificates the good ones are used; without any the listener is not served', () => {
  const some = derive(gateway('{ name: mixed }, { name: good }'), good, mixed);
  assert.deepEqual(some.keys, [leaf.privateKeyPem]);
  assert.equal(some.reason('ResolvedRefs'), 'InvalidCertificateRef');
  const none = derive(gateway('{ name: mixed }'), mixed);
  assert.equal(none.listener, undefined);
  assert.equal(none.reason('Programmed'), 'Invalid');
});

test('client certificates are asked for as the gateway says, on one port otherwise, or not served at all', () => {
  const validation = '{ validation: { caCertificateRefs: [{ kind: ConfigMap, name: roots }] } }';
  const fallback =
    '{ validation: { mode: AllowInsecureFallback, caCertificateRefs: [{ kind: ConfigMap, name: roots }] } }';
  const { REQUIRED, OPTIONAL } = proxy.ServerTls_ClientCertificate;
  const common = derive(gateway('{ name: good }', { tls: `{ frontend: { default: ${validation} } }` }), good, roots);
  assert.equal(common.listener?.tls?.clientCertificate, REQUIRED);
  assert.equal(Buffer.from(common.listener.tls.clientRootsPem).toString(), ca.rootsPem);
  const ports = `{ frontend: { default: ${validation}, perPort: [{ port: 443, tls: ${fallback} }] } }`;
  const ofPort = derive(gateway('{ name: good }', { tls: ports }), good, roots);
  assert.equal(ofPort.listener?.tls?.clientCertificate, OPTIONAL);
  const missing = derive(gateway('{ name: good }', { tls: `{ frontend: { default: ${validation} } }` }), good);
  assert.equal(missing.listener, undefined);
  assert.equal(missing.reason('Accepted'), 'NoValidCACertificate');
  assert.equal(missing.reason('ResolvedRefs'), 'InvalidCACertificateRef');
});

test('the option of Istio asks for client certificates with the roots beside the key', () => {
  const options = 'gateway.istio.io/tls-terminate-mode: MUTUAL';
  const { listener } = derive(gateway('{ name: good }', { options }), good);
  assert.equal(listener?.tls?.clientCertificate, proxy.ServerTls_ClientCertificate.REQUIRED);
  assert.equal(Buffer.from(listener.tls.clientRootsPem).toString().trim(), ca.rootsPem.trim());
});

test('roots may lie in a Secret of their own; without any the listener is not served, for nobody would be asked', () => {
  const options = 'gateway.istio.io/tls-terminate-mode: MUTUAL';
  const pair = good.replace(/, ca\.crt: [^ ]+/, '');
  const apart = `apiVersion: v1
kind: Secret
metadata: { name: good-cacert, namespace: shop }
data: { cacert: ${base64(ca.rootsPem)}, crl: ${base64('lists')} }`;
  const { listener } = derive(gateway('{ name: good }', { options }), pair, apart);
  assert.equal(Buffer.from(listener?.tls?.clientRootsPem ?? []).toString(), ca.rootsPem);
  assert.equal(Buffer.from(listener?.tls?.clientRevocationsPem ?? []).toString(), 'lists');
  const none = derive(gateway('{ name: good }', { options }), pair);
  assert.equal(none.listener, undefined);
  assert.equal(none.reason('ResolvedRefs'), 'InvalidCACertificateRef');
});

test('a mode that is not known is not taken for one that asks nobody', () => {
  for (const mode of ['ISTIO_MUTUAL', 'ISTIO_SIMPLE', 'mutual']) {
    const options = `gateway.istio.io/tls-terminate-mode: ${mode}`;
    const { listener, reason } = derive(gateway('{ name: good }', { options }), good);
    assert.equal(listener, undefined);
    assert.equal(reason('Accepted'), 'UnsupportedValue');
  }
});

test('suites of TLS 1.2 are those that are listed; what is not offered is told, and never stands in the way', () => {
  const [aes128, aes256] = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'];
  for (const [written, suites, told] of [
    [`${aes256}, ${aes128},${aes256}`, [aes256, aes128], undefined],
    [`bogus,${aes128}, AES128-SHA`, [aes128], /bogus, AES128-SHA: not offered here; .* can have ECDHE-RSA-AES128/],
    ['ALL', [], /ALL: not offered here; .* all suites with forward secrecy and AEAD/],
    [' ', [], undefined],
  ] as const) {
    const options = `gateway.istio.io/tls-cipher-suites: "${written}"`;
    const { mesh, listener, reason } = derive(gateway('{ name: good }', { options }), good);
    assert.deepEqual(listener?.tls?.cipherSuites, suites);
    assert.equal(reason('Accepted'), 'Accepted');
    const conditions = mesh.statuses.get('Gateway/shop/in/ambit-status')?.listeners?.[0]?.conditions ?? [];
    const message = conditions.find(({ type }) => type === 'ambit.dev/FieldsInForce')?.message;
    if (told === undefined) assert.equal(message, undefined);
    else assert.match(message ?? '', told);
  }
});

test('revocation lists beside the roots go with them, from a Secret and from a ConfigMap', () => {
  const secretWith = `${good.slice(0, good.lastIndexOf(' }'))}, ca.crl: ${base64('lists')} }`;
  const options = 'gateway.istio.io/tls-terminate-mode: OPTIONAL_MUTUAL';
  const validation =
    '{ frontend: { default: { validation: { caCertificateRefs: [{ kind: ConfigMap, name: roots }] } } } }';
  for (const { listener } of [
    derive(gateway('{ name: good }', { options }), secretWith),
    derive(
      gateway('{ name: good }', { tls: validation }),
      good,
      `${roots.slice(0, roots.lastIndexOf(' }'))}, ca.crl: lists }`,
    ),
  ])
    assert.equal(Buffer.from(listener?.tls?.clientRevocationsPem ?? []).toString(), 'lists');
});

test('keys are in no description', () => {
  const { mesh } = derive(gateway('{ name: good }'), good);
  const text = JSON.stringify(describeL7(mesh.l7));
  assert.ok(text.includes(base64(leaf.certificateChainPem).slice(0, 40)));
  assert.ok(!text.includes(base64(leaf.privateKeyPem).slice(30, 70)));
});

test('HTTPS listeners of one port that share host names say so', () => {
  const tls = 'tls: { certificateRefs: [{ name: good }] }';
  const several = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: in, namespace: shop }
spec:
  gatewayClassName: ambit
  listeners:
    - { name: wild, port: 443, protocol: HTTPS, hostname: "*.example", ${tls} }
    - { name: one, port: 443, protocol: HTTPS, hostname: a.example, ${tls} }
    - { name: apart, port: 443, protocol: HTTPS, hostname: a.example.org, ${tls} }
    - { name: port, port: 444, protocol: HTTPS, hostname: a.example, ${tls} }
    - { name: passes, port: 443, protocol: TLS, hostname: b.example, tls: { mode: Passthrough } }`;
  const { mesh } = derive(several, good);
  const listeners = mesh.statuses.get('Gateway/shop/in/ambit-status')?.listeners ?? [];
  const told = listeners.filter(({ conditions }) => conditions.some(({ type }) => type === 'OverlappingTLSConfig'));
  assert.deepEqual(
    told.map(({ name }) => name),
    ['wild', 'one'],
  );
  // TLS of both modes shares the port.
  assert.ok(
    listeners.every(({ conditions }) =>
      conditions.some(({ type, status }) => type === 'Programmed' && status === 'True'),
    ),
  );
});
