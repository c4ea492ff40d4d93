/** What a Gateway's own conditions say, beyond those of its listeners. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { makeTestCa } from '@ambit/testing';
import { meshCollections } from '../derive/mesh-collections.ts';
import { type DeploymentProblem, loadSources } from '../derive/mesh-sources.ts';
import type { DesiredCondition } from '../derive/status-write.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { describeL7 } from './describe-l7.ts';

const ca = makeTestCa();
const own = ca.issue(undefined, { dnsNames: ['edge.example'], purposes: ['clientAuth'] });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const gateway = (spec: string, status = '{}'): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: in, namespace: shop }
spec: { gatewayClassName: ambit, listeners: [{ name: http, port: 80, protocol: HTTP }], ${spec} }
status: ${status}`;

function derive(text: string, problem?: DeploymentProblem) {
  const { resources, reports } = parseManifests('gateway.yaml', text);
  assert.deepEqual(reports, []);
  const mesh = meshCollections(defaultMeshSettings);
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
  if (problem !== undefined) mesh.sources.deploymentProblems.set(problem);
  const write = mesh.statuses.get('Gateway/shop/in/ambit-status');
  const condition = (type: string): DesiredCondition | undefined =>
    write?.conditions?.find((candidate) => candidate.type === type);
  return { mesh, condition };
}

function said(condition: DesiredCondition | undefined): string {
  return condition === undefined ? 'nothing' : `${condition.status} ${condition.reason}`;
}

test('what the deployment of a Gateway stumbles over is told by its condition, and taken back', () => {
  const { mesh, condition } = derive(gateway(''), {
    gateway: 'shop/in',
    reason: 'InvalidParameters',
    message: 'ConfigMap x does not exist',
  });
  assert.equal(said(condition('Accepted')), 'False InvalidParameters');
  assert.equal(said(condition('Programmed')), 'False Invalid');
  mesh.sources.deploymentProblems.delete('shop/in');
  const accepted = mesh.statuses.get('Gateway/shop/in/ambit-status')?.conditions?.[0];
  assert.equal(said(accepted), 'True Accepted');
});

test('an address is there once the load balancer gives it, and must be of a kind that can be given', () => {
  const wanted = 'addresses: [{ type: IPAddress, value: 10.0.0.9 }]';
  assert.equal(said(derive(gateway(wanted)).condition('Programmed')), 'False AddressNotUsable');
  const given = '{ addresses: [{ type: IPAddress, value: 10.0.0.9 }] }';
  assert.equal(said(derive(gateway(wanted, given)).condition('Programmed')), 'True Programmed');
  const other = '{ addresses: [{ type: IPAddress, value: 10.0.0.1 }] }';
  assert.equal(said(derive(gateway(wanted, other)).condition('Programmed')), 'False AddressNotUsable');
  assert.equal(
    said(derive(gateway('addresses: [{ type: IPAddress }]', other)).condition('Programmed')),
    'True Programmed',
  );
  const odd = derive(gateway('addresses: [{ type: example.com/pool, value: blue }]'));
  assert.equal(said(odd.condition('Accepted')), 'False UnsupportedAddress');
});

test('letting clients in without a valid certificate is told as long as some port does', () => {
  const validation =
    '{ validation: { mode: AllowInsecureFallback, caCertificateRefs: [{ kind: ConfigMap, name: r }] } }';
  const insecure = derive(gateway(`tls: { frontend: { default: {}, perPort: [{ port: 443, tls: ${validation} }] } }`));
  assert.equal(said(insecure.condition('InsecureFrontendValidationMode')), 'True ConfigurationChanged');
  assert.equal(said(derive(gateway('')).condition('InsecureFrontendValidationMode')), 'nothing');
});

const reference = (name: string): string => `tls: { backend: { clientCertificateRef: { name: ${name} } } }`;
const surroundings = `---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: { name: own, namespace: shop }
data: { tls.crt: ${base64(own.certificateChainPem)}, tls.key: ${base64(own.privateKeyPem)} }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.96.0.1, ports: [{ name: https, port: 443 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: shop }
spec: { parentRefs: [{ name: in }], rules: [{ backendRefs: [{ name: web, port: 443 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: web, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: web }], validation: { hostname: web.example, wellKnownCACertificates: System } }
`;

test('backends with TLS are shown the certificate of the Gateway; its key is in no description', () => {
  const { mesh, condition } = derive(`${gateway(reference('own'))}\n${surroundings}`);
  assert.equal(said(condition('ResolvedRefs')), 'True ResolvedRefs');
  const destination = mesh.l7.destinations.get('shop/in/shop/web.shop.svc.cluster.local');
  const tls = destination?.message.ports[0]?.traffic?.tls;
  assert.equal(Buffer.from(tls?.clientPrivateKeyPem ?? '').toString(), own.privateKeyPem);
  assert.equal(Buffer.from(tls?.clientCertificateChainPem ?? '').toString(), own.certificateChainPem);
  const text = JSON.stringify(describeL7(mesh.l7));
  assert.ok(text.includes(base64(own.certificateChainPem)) && !text.includes(base64(own.privateKeyPem)));
});

test('a certificate for backends that cannot be had is told', () => {
  const { condition } = derive(`${gateway(reference('missing'))}\n${surroundings}`);
  assert.equal(said(condition('ResolvedRefs')), 'False InvalidClientCertificateRef');
  const far = gateway('tls: { backend: { clientCertificateRef: { name: own, namespace: bank } } }');
  assert.equal(said(derive(far).condition('ResolvedRefs')), 'False RefNotPermitted');
});
