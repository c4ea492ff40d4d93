import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BalancedService, planAddresses } from './load-balancer-plan.ts';

function service(uid: string, over: Partial<BalancedService> = {}): BalancedService {
  return { namespace: 'shop', name: uid, uid, wanted: '', given: '', ...over };
}

function given(...services: readonly BalancedService[]): Record<string, string> {
  return Object.fromEntries(planAddresses(services).map(({ service: { uid }, address }) => [uid, address]));
}

test('each Service gets an address of its own, and keeps it', () => {
  assert.deepEqual(given(service('a'), service('b')), { a: '10.97.0.1', b: '10.97.0.2' });
  assert.deepEqual(given(service('a', { given: '10.97.0.1' }), service('b')), { b: '10.97.0.2' });
  assert.deepEqual(given(service('b', { given: '10.97.0.2' }), service('c')), { c: '10.97.0.1' });
});

test('an address that is asked for is given before others take it; one of elsewhere, or taken, is not given', () => {
  assert.deepEqual(given(service('a'), service('b', { wanted: '10.97.0.1' })), { a: '10.97.0.2', b: '10.97.0.1' });
  assert.deepEqual(given(service('a', { wanted: '192.0.2.1' })), {});
  assert.deepEqual(given(service('a', { wanted: '10.97.0.9' }), service('b', { wanted: '10.97.0.9' })), {
    a: '10.97.0.9',
  });
  assert.deepEqual(given(service('a', { wanted: '192.0.2.1', given: '10.97.0.1' })), { a: '' });
  assert.deepEqual(given(service('a', { wanted: '10.97.0.7', given: '10.97.0.1' })), { a: '10.97.0.7' });
});
