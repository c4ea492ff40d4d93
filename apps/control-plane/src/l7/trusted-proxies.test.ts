import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { trustedProxiesOf } from './trusted-proxies.ts';

const config = (text: string): string => `annotations: { proxy.istio.io/config: ${JSON.stringify(text)} }`;
const two = config('gatewayTopology: { numTrustedProxies: 2 }');

const cases: readonly (readonly [metadata: string, infrastructure: string, count: number])[] = [
  ['', '', 1],
  [two, '', 2],
  ['', two, 2],
  // What is said of what is generated counts in place of the Gateway's own.
  [two, 'labels: { a: b }', 1],
  [config('{"gatewayTopology":{"numTrustedProxies":0}}'), '', 0],
  [config('concurrency: 2'), '', 1],
  [config('gatewayTopology: { numTrustedProxies: "2" }'), '', 0],
  [config('gatewayTopology: { numTrustedProxies: -1 }'), '', 0],
  [config(': not: yaml'), '', 1],
];

for (const [metadata, infrastructure, count] of cases) {
  test(`with { ${metadata} } and { ${infrastructure} } a gateway believes ${count} proxies`, () => {
    const { resources } = parseManifests(
      'case.yaml',
      `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: shop, name: edge, ${metadata} }
spec: { gatewayClassName: ambit, infrastructure: { ${infrastructure} }, listeners: [{ name: http, port: 80, protocol: HTTP }] }
`,
    );
    const [gateway] = new ResourceTable(resources).list('Gateway');
    assert.ok(gateway !== undefined);
    assert.equal(trustedProxiesOf(gateway, { ...defaultMeshSettings, trustedProxies: 1 }), count);
  });
}
