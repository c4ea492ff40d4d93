/** What is written for gateways in Istio's older way: selectors of policies, gateways of VirtualServices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { meshCollections, type MeshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { selectsGateway, l7Gateway } from './l7-gateway.ts';

const edge = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: shop, name: edge }
spec: { gatewayClassName: ambit, listeners: [{ name: http, port: 80, protocol: HTTP }] }
`;

function meshOf(text: string): MeshCollections {
  const { resources, reports } = parseManifests('case.yaml', `${edge}---\n${text}`);
  assert.deepEqual(reports, []);
  const mesh = meshCollections(defaultMeshSettings);
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
  return mesh;
}

test('a selector without labels selects every gateway, as in Istio', () => {
  const [gateway] = meshOf('').sources.Gateway.values();
  assert.ok(gateway !== undefined);
  const at = l7Gateway(gateway, undefined, defaultMeshSettings);
  assert.ok(at !== undefined);
  const named = { 'gateway.networking.k8s.io/gateway-name': 'edge' };
  const selected = [undefined, { matchLabels: undefined }, { matchLabels: {} }, { matchLabels: named }];
  for (const selector of selected) assert.equal(selectsGateway(selector, at), true);
  assert.equal(selectsGateway({ matchLabels: { app: 'other' } }, at), false);
});

const cases: readonly (readonly [spec: string, message: string | undefined])[] = [
  ['gateways: [mesh]', undefined],
  [
    'gateways: [infra/classic]',
    'gateways: infra/classic takes no VirtualServices, nothing of it is in force; give a Gateway of class ambit an HTTPRoute',
  ],
  [
    'gateways: [mesh, edge]',
    'gateways: edge takes no VirtualServices, only mesh counts; give a Gateway of class ambit an HTTPRoute',
  ],
];

for (const [spec, message] of cases) {
  test(`a VirtualService with ${spec} ${message === undefined ? 'needs no word' : 'says what is not in force'}`, () => {
    const mesh = meshOf(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { namespace: shop, name: one }
spec: { hosts: [web], ${spec}, http: [{ route: [{ destination: { host: web } }] }] }
`);
    const conditions = [...mesh.statuses.values()].flatMap((write) => write.conditions ?? []);
    assert.equal(conditions.find(({ type }) => type === 'ambit.dev/FieldsInForce')?.message, message);
  });
}
