import assert from 'node:assert/strict';
import { test } from 'node:test';

import { access, proxy } from '@ambit/api';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';

import { serviceTarget } from './backend-target.ts';
import { ConfigState, findPort, trafficPolicyOf } from './config-snapshot.ts';
import { type CompiledDestination, compileDestination } from './destination.ts';
import type { Compiled } from './problems.ts';
import { type CompiledProxy, compileProxy } from './proxy.ts';
import { defaultTrafficPolicy } from './traffic-policy.ts';

function must<T>(compiled: Compiled<T>): T {
  if (compiled.kind === 'bad') throw new Error(compiled.problems.join('; '));
  return compiled.value;
}

const policy = (name: string, action: access.AuthorizationPolicy_Action, principal = '*'): object => ({
  namespace: 'shop',
  name,
  action,
  rules: [{ from: [{ attributes: [{ field: 'principals', values: [principal] }] }] }],
});

function proxyWith(shape: MessageInitShape<typeof proxy.ProxySchema> = {}): CompiledProxy {
  const whole = {
    namespace: 'a',
    name: 'b',
    kind: proxy.Proxy_Kind.WAYPOINT,
    trustDomains: ['cluster.local'],
    ...shape,
  };
  return must(compileProxy(toBinary(proxy.ProxySchema, create(proxy.ProxySchema, whole))));
}

function destination(shape: MessageInitShape<typeof proxy.DestinationSchema> = {}): CompiledDestination {
  const whole = { namespace: 'shop', hostname: 'cart', served: true, ports: [{ port: 80 }], ...shape };
  return must(compileDestination(toBinary(proxy.DestinationSchema, create(proxy.DestinationSchema, whole))));
}

const { ALLOW, DENY } = access.AuthorizationPolicy_Action;

test('there is no snapshot before the proxy itself is known; then everything that came is in it', () => {
  const state = new ConfigState();
  assert.equal(state.apply({ destinations: new Map([['r', destination()]]) }), undefined);
  const snapshot = state.apply({ proxy: proxyWith() });
  assert.deepEqual([...(snapshot?.destinations.keys() ?? [])], ['shop/cart']);
  assert.equal(state.snapshot, snapshot);
});

test('a change makes a new snapshot, leaves the old one as it was, and keeps what did not change', () => {
  const state = new ConfigState();
  const before = state.apply({
    proxy: proxyWith(),
    destinations: new Map([
      ['cart', destination({ access: { policies: [policy('p', DENY)] } })],
      ['pay', destination({ hostname: 'pay', access: { policies: [policy('q', DENY)] } })],
    ]),
  });
  const after = state.apply({ destinations: new Map([['cart', undefined]]) });
  assert.deepEqual([before?.destinations.size, after?.destinations.size], [2, 1]);
  assert.equal(after?.destinations.get('shop/pay'), before?.destinations.get('shop/pay'));
});

test('levels are joined by action; a service without policies shares what holds for the proxy', () => {
  const state = new ConfigState();
  const snapshot = state.apply({
    proxy: proxyWith({ access: { policies: [policy('gateway', DENY)] } }),
    destinations: new Map([
      ['cart', destination({ access: { policies: [policy('service', ALLOW)] } })],
      ['pay', destination({ hostname: 'pay' })],
    ]),
  });
  const cart = snapshot?.destinations.get('shop/cart')?.access.http;
  assert.deepEqual(
    [cart?.deny.map(({ name }) => name), cart?.allow.map(({ name }) => name)],
    [['gateway'], ['service']],
  );
  assert.equal(snapshot?.destinations.get('shop/pay')?.access, snapshot?.access);
});

test('new trust domains act on policies that came before', () => {
  const state = new ConfigState();
  const principal = 'old.example/ns/a/sa/b';
  state.apply({
    proxy: proxyWith({ trustDomains: ['cluster.local', 'old.example'] }),
    destinations: new Map([['cart', destination({ access: { policies: [policy('p', ALLOW, principal)] } })]]),
  });
  const before = state.snapshot?.destinations.get('shop/cart');
  state.apply({ proxy: proxyWith() });
  assert.notEqual(state.snapshot?.destinations.get('shop/cart'), before);
});

test('what of a policy cannot be used is told', () => {
  const state = new ConfigState();
  const bad = {
    namespace: 'shop',
    name: 'p',
    action: ALLOW,
    rules: [{ from: [{ attributes: [{ field: 'ipBlocks', values: ['nowhere'] }] }] }],
  };
  const snapshot = state.apply({ proxy: proxyWith({ access: { policies: [bad] } }) });
  assert.deepEqual(snapshot?.access.flaws, [
    'shop/p rule 0, ipBlocks: nowhere is neither an address nor a CIDR block (rule-dropped)',
  ]);
});

test('a target has the policy of its subset, else of its port, else the defaults', () => {
  const snapshot = new ConfigState().apply({
    proxy: proxyWith(),
    destinations: new Map([
      [
        'cart',
        destination({
          ports: [{ port: 80, traffic: { proxyProtocol: 1 } }],
          subsets: [{ name: 'own', traffic: { proxyProtocol: 2 } }, { name: 'plain' }],
        }),
      ],
    ]),
  });
  if (snapshot === undefined) throw new Error('no snapshot');
  const version = (subset: string, port = 80): number =>
    trafficPolicyOf(snapshot, serviceTarget('shop', 'cart', port, subset)).proxyProtocol;
  assert.deepEqual([version(''), version('own'), version('plain'), version('', 81)], [1, 2, 1, 0]);
  assert.equal(trafficPolicyOf(snapshot, serviceTarget('shop', 'none', 80)), defaultTrafficPolicy);
  assert.equal(findPort(snapshot, serviceTarget('shop', 'cart', 80))?.port, 80);
  assert.equal(findPort(snapshot, serviceTarget('shop', 'cart', 81)), undefined);
});
