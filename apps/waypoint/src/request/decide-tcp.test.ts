import assert from 'node:assert/strict';
import { test } from 'node:test';

import { access, proxy } from '@ambit/api';

import { decideTcp } from './decide-tcp.ts';
import { type LabOptions, shopKey, snapshotOf, waypointFacts } from './test-support/lab.ts';

const { ALLOW, CUSTOM, DENY } = access.AuthorizationPolicy_Action;
const to = (hostname: string, weight = 1): object => ({
  weight,
  target: { case: 'backend', value: { namespace: 'shop', hostname, port: 9000 } },
});
const policy = (action: access.AuthorizationPolicy_Action, ...attributes: readonly object[]): object => ({
  namespace: 'shop',
  name: 'p',
  action,
  provider: 'p',
  rules: [{ to: [{ attributes }] }],
});
const accessWith = (...policies: readonly object[]): LabOptions['access'] => ({ policies: [...policies] });

function outcome(options: LabOptions, facts = waypointFacts, serverName?: string): string {
  const config = snapshotOf(options);
  const routes = config.destinations.get(shopKey)?.destination.ports.get(80)?.tcpRoutes ?? [];
  const decision = decideTcp(config, facts, routes, serverName);
  return decision.kind === 'forward' ? decision.target.key : `${decision.flag ?? '-'} ${decision.details}`;
}

test('without routes a connection goes to the service', () => {
  assert.equal(
    outcome({ ports: [{ port: 80, protocol: proxy.Protocol.TCP }] }),
    'shop/shop.shop.svc.cluster.local/80/',
  );
});

test('policies see the connection only: HTTP’s attributes make ALLOW stricter and DENY broader', () => {
  const paths = { field: 'paths', values: ['/x'] };
  const ports = { field: 'ports', values: ['80'] };
  const denied = 'rbac_access_denied_matched_policy';
  for (const [policies, expected] of [
    [[policy(ALLOW, ports)], 'shop/shop.shop.svc.cluster.local/80/'],
    [[policy(ALLOW, paths)], `- ${denied}[none]`],
    [[policy(DENY, paths, ports)], `- ${denied}[ns[shop]-policy[p]-rule[0]]`],
    [[policy(DENY, { field: 'ports', values: ['81'] })], 'shop/shop.shop.svc.cluster.local/80/'],
    [[policy(CUSTOM, ports)], 'UAEX ext_authz_error'],
  ] as const) {
    assert.equal(outcome({ access: accessWith(...policies) }), expected);
  }
});

test('weights are exact, and the share of a backend that cannot be used is closed', () => {
  const failing = { weight: 1, target: { case: 'failureStatus', value: 500 } };
  const config = snapshotOf({ ports: [{ port: 80, tcpRoutes: [{ backends: [to('a', 3), failing] as never }] }] });
  const outcomes = Array.from({ length: 8 }, () => {
    const routes = config.destinations.get(shopKey)?.destination.ports.get(80)?.tcpRoutes ?? [];
    const decision = decideTcp(config, waypointFacts, routes, undefined);
    return decision.kind === 'forward' ? decision.target.key : decision.flag;
  });
  assert.equal(outcomes.filter((one) => one === 'shop/a/9000/').length, 6);
  assert.equal(outcomes.filter((one) => one === 'NC').length, 2);
});

test('a server name chooses the route, in any letters', () => {
  const tcpRoutes = [
    { name: 'exact', serverNames: ['www.example.com'], backends: [to('b')] },
    { name: 'wild', serverNames: ['*.example.com'], backends: [to('a')] },
  ];
  const options: LabOptions = { ports: [{ port: 80, tcpRoutes: tcpRoutes as never }] };
  for (const [serverName, expected] of [
    ['x.example.com', 'shop/a/9000/'],
    ['WWW.example.com', 'shop/b/9000/'],
    ['example.com', 'NR route_not_found'],
    [undefined, 'NR route_not_found'],
  ] as const) {
    assert.equal(outcome(options, waypointFacts, serverName), expected, String(serverName));
  }
});

test('a rule about the server name sees it', () => {
  const policies = [policy(ALLOW, { field: 'connection.sni', values: ['*.example.com'] })];
  const rules = accessWith(...policies);
  assert.equal(outcome({ access: rules }, waypointFacts, 'a.example.com'), 'shop/shop.shop.svc.cluster.local/80/');
  assert.match(outcome({ access: rules }, waypointFacts, 'a.example.org'), /^- rbac_access_denied/);
});

test('a workload is reached by its address; what is not served is closed', () => {
  const workload = { uid: 'w' } as never;
  const facts = { ...waypointFacts, served: { kind: 'workload', workload, address: '10.1.0.9', port: 5432 } } as const;
  assert.equal(outcome({}, facts), 'w/10.1.0.9/5432');
  const other = {
    ...waypointFacts,
    served: { kind: 'service', key: 'shop/x', namespace: 'shop', hostname: 'x', port: 1 },
  } as const;
  assert.equal(outcome({}, other), 'NR filter_chain_not_found');
});

test('a wildcard service leads to hosts that it covers and to no other', () => {
  assert.ok(waypointFacts.served.kind === 'service');
  const facts = { ...waypointFacts, served: { ...waypointFacts.served, hostname: '*.example.com' } };
  const options: LabOptions = { ports: [{ port: 80, protocol: proxy.Protocol.TCP }] };
  for (const [serverName, expected] of [
    ['a.Example.com', 'shop/shop.shop.svc.cluster.local/80/'],
    ['example.org', 'NR route_not_found'],
    ['a.example.com.evil.org', 'NR route_not_found'],
    [undefined, 'NR route_not_found'],
  ] as const) {
    assert.equal(outcome(options, facts, serverName), expected, serverName ?? 'no name');
  }
});
