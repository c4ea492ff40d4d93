import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, parseManifests } from '@ambit/kube';
import { mayReadGateway } from './gateway-readers.ts';

const gateways = new Map<string, Gateway>();
for (const resource of parseManifests(
  'gateways.yaml',
  `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: wp, namespace: shop }
spec: { gatewayClassName: ambit-waypoint, listeners: [] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: named, namespace: shop, annotations: { gateway.istio.io/service-account: mine } }
spec: { gatewayClassName: ambit, listeners: [] }
`,
).resources) {
  if (resource.kind === 'Gateway') gateways.set(`${resource.metadata.namespace}/${resource.metadata.name}`, resource);
}

const cases: readonly (readonly [
  claim: string,
  account: string,
  pod: string | undefined,
  name: string,
  may: boolean,
])[] = [
  ['its own proxy', 'wp', 'wp', 'shop/wp', true],
  ['its own destinations', 'wp', 'wp', 'shop/wp/other/svc.example', true],
  ['without pods that are known, by its account', 'wp', undefined, 'shop/wp', true],
  ['an account with the class in its name', 'wp-ambit-waypoint', 'wp', 'shop/wp', true],
  ['an account that the gateway names', 'mine', 'named', 'shop/named', true],
  ['the usual account of a gateway that names another', 'named', 'named', 'shop/named', false],
  ['another gateway of its namespace', 'wp', 'wp', 'shop/named', false],
  ['a gateway of another namespace', 'wp', 'wp', 'bank/wp', false],
  ['a pod with the label of a gateway and another account', 'default', 'wp', 'shop/wp', false],
  ['the account of a gateway in a pod that is none', 'wp', '', 'shop/wp', false],
  ['a gateway that does not exist', 'ghost', 'ghost', 'shop/ghost', false],
  ['a name without gateway', 'wp', 'wp', 'shop', false],
];
for (const [claim, serviceAccount, gateway, name, may] of cases) {
  test(`a caller ${may ? 'may' : 'must not'} read: ${claim}`, () => {
    const reader = { namespace: 'shop', serviceAccount, gateway };
    assert.equal(
      mayReadGateway(reader, name, (key) => gateways.get(key)),
      may,
    );
  });
}
