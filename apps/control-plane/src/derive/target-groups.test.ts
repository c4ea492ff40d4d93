/** A target of another group is another kind: nothing is attached to its namesake, and the status says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway, hasAddress, join, meshOf, policy, service } from './test-support/trap-mesh.ts';

const gatewayGroup = 'gateway.networking.k8s.io';
const waypoint = gateway('shop/w', hasAddress);
const web = service(
  'shop/web',
  'clusterIP: 10.96.0.1, ports: [{ name: http, port: 80 }]',
  'labels: { istio.io/use-waypoint: w }',
);

/** What of a target ref comes to: where it is in force, and what the status says. */
function attached(target: string): { readonly at: readonly string[]; readonly said: string } {
  const { mesh } = meshOf(join(waypoint, web, policy('shop/p', `targetRefs: [${target}], action: DENY, rules: [{}]`)));
  const proxies = [...mesh.l7.proxies.values()].flatMap(({ message }) => message.access?.policies ?? []);
  const destinations = [...mesh.l7.destinations.values()].flatMap(({ message }) => message.access?.policies ?? []);
  const [condition] = mesh.statuses.get('AuthorizationPolicy/shop/p/ambit-status')?.conditions ?? [];
  return {
    at: [...proxies.map(() => 'proxy'), ...destinations.map(() => 'service')],
    said: `${condition?.status} ${condition?.reason}: ${condition?.message}`,
  };
}

for (const [target, at] of [
  [`{ group: ${gatewayGroup}, kind: Gateway, name: w }`, 'proxy'],
  ['{ kind: Service, name: web }', 'service'],
  ['{ group: "", kind: Service, name: web }', 'service'],
  ['{ group: core, kind: Service, name: web }', 'service'],
] as const)
  test(`${target} is what it says`, () => {
    const { at: found, said } = attached(target);
    assert.deepEqual(found, [at]);
    assert.match(said, /^True Accepted/);
  });

for (const [target, said] of [
  [
    '{ kind: Gateway, name: w }',
    `Gateway.core is of another group than the Gateway that is meant; write group: ${gatewayGroup}`,
  ],
  [
    '{ group: networking.istio.io, kind: Gateway, name: w }',
    `Gateway.networking.istio.io is of another group than the Gateway that is meant; write group: ${gatewayGroup}`,
  ],
  [
    `{ group: ${gatewayGroup}, kind: Service, name: web }`,
    `Service.${gatewayGroup} is of another group than the Service that is meant; leave out its group`,
  ],
  [
    '{ kind: ServiceEntry, name: web }',
    'ServiceEntry.core is of another group than the ServiceEntry that is meant; write group: networking.istio.io',
  ],
  [
    '{ group: apps, kind: Deployment, name: web }',
    'a policy cannot be attached to kind Deployment; use Service, ServiceEntry, Gateway or GatewayClass',
  ],
] as const)
  test(`${target} is nothing that a policy can be attached to`, () => {
    assert.deepEqual(attached(target), { at: [], said: `False Invalid: ${said}` });
  });

test('Telemetry, limits and TLS for backends compare groups too', () => {
  const group = (right: boolean): string => (right ? '""' : 'example.org');
  for (const isRight of [true, false]) {
    const { mesh } = meshOf(
      join(
        waypoint,
        web,
        `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { namespace: shop, name: t }
spec: { targetRefs: [{ group: ${group(isRight)}, kind: Service, name: web }], metrics: [{ overrides: [{ disabled: true }] }] }`,
        `apiVersion: ambit.dev/v1alpha1
kind: RateLimitPolicy
metadata: { namespace: shop, name: l }
spec: { targetRefs: [{ group: ${group(isRight)}, kind: Service, name: web }], limits: [{ name: a, requests: 1, interval: 1s }] }`,
        `apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { namespace: shop, name: b }
spec:
  targetRefs: [{ group: ${group(isRight)}, kind: Service, name: web }]
  validation: { hostname: web.example, wellKnownCACertificates: System }`,
      ),
    );
    const [found] = [...mesh.l7.destinations.values()].map(({ message }) => message);
    assert.deepEqual(
      [found?.telemetry !== undefined, found?.rateLimits.length, found?.ports[0]?.traffic?.tls !== undefined],
      isRight ? [true, 1, true] : [false, 0, false],
    );
    const tls = mesh.statuses.get('BackendTLSPolicy/shop/b/ambit-status')?.parents ?? [];
    const reasons = tls.flatMap(({ conditions }) => conditions.map(({ reason }) => reason));
    assert.equal(reasons.includes('TargetNotFound'), !isRight, JSON.stringify(tls));
  }
});
