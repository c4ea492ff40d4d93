import assert from 'node:assert/strict';
import { test } from 'node:test';

import { access, proxy } from '@ambit/api';

import { decideTcp } from './decide-tcp.ts';
import { gatewayFacts, type LabOptions, snapshotOf, waypointFacts } from './test-support/lab.ts';

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

function outcome(options: LabOptions, facts = waypointFacts): string {
  const decision = decideTcp(snapshotOf(options), facts);
  return decision.kind === 'forward' ? decision.target.key : `${decision.flag ?? '-'} ${decision.details ?? '-'}`;
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
    const decision = decideTcp(config, waypointFacts);
    return decision.kind === 'forward' ? decision.target.key : decision.flag;
  });
  assert.equal(outcomes.filter((one) => one === 'shop/a/9000/').length, 6);
  assert.equal(outcomes.filter((one) => one === 'NC').length, 2);
});

test('a server name chooses listener and route', () => {
  const listener = (name: string, hostname: string, serverNames: readonly string[], backend: string): object => ({
    name,
    hostname,
    protocol: proxy.ServerListener_ServerProtocol.SERVER_TLS_PASSTHROUGH,
    tcpRoutes: [{ name, serverNames, backends: [to(backend)] }],
  });
  const options: LabOptions = {
    proxy: { kind: proxy.Proxy_Kind.GATEWAY },
    servers: [
      {
        port: 443,
        listeners: [
          listener('wild', '*.example.com', ['*.example.com'], 'a'),
          listener('exact', 'www.example.com', ['www.example.com'], 'b'),
        ] as never,
      },
    ],
  };
  const facts = { ...gatewayFacts, served: { kind: 'server', port: 443, listener: undefined } as const };
  for (const [serverName, expected] of [
    ['x.example.com', 'shop/a/9000/'],
    ['WWW.example.com', 'shop/b/9000/'],
    ['example.com', 'NR -'],
    [undefined, 'NR -'],
  ] as const) {
    assert.equal(outcome(options, { ...facts, serverName }), expected, String(serverName));
  }
});

test('a workload is reached by its address; what is not served is closed', () => {
  const workload = { uid: 'w' } as never;
  const facts = { ...waypointFacts, served: { kind: 'workload', workload, address: '10.1.0.9', port: 5432 } } as const;
  assert.equal(outcome({}, facts), 'w/10.1.0.9/5432');
  const other = {
    ...waypointFacts,
    served: { kind: 'service', key: 'shop/x', namespace: 'shop', hostname: 'x', port: 1 },
  } as const;
  assert.equal(outcome({}, other), 'NR -');
});
