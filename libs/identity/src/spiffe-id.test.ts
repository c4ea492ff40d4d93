import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSpiffeId, parseSpiffeId, spiffeIdParts } from './index.ts';

test('an id of the mesh splits into trust domain, namespace and service account', () => {
  const id = parseSpiffeId('spiffe://td.example/ns/shop/sa/cart.v2');
  assert.ok(id !== undefined);
  assert.deepEqual(spiffeIdParts(id), { trustDomain: 'td.example', namespace: 'shop', serviceAccount: 'cart.v2' });
});

for (const text of [
  '',
  'spiffe://',
  'http://td/ns/a/sa/b',
  'SPIFFE://td/ns/a/sa/b',
  'spiffe://td/ns/a/sa',
  'spiffe://td/ns/a/sa/',
  'spiffe:///ns/a/sa/b',
  'spiffe://td/ns//sa/b',
  'spiffe://td/ns/a/sa/b/c',
  'spiffe://td/ns/a/sb/b',
  'spiffe://td/sa/a/ns/b',
  'spiffe://td/ns/a/sa/b?x',
  'spiffe://td/ns/a/sa/b\n',
  'spiffe://td/ns/../sa/b',
  'spiffe://td/ns/a%2fb/sa/b',
  `spiffe://td/ns/a/sa/${'b'.repeat(2048)}`,
]) {
  test(`${JSON.stringify(text.slice(0, 40))} is not an id`, () => assert.equal(parseSpiffeId(text), undefined));
}

test('an id cannot be built from a part that would change its shape', () => {
  assert.throws(() => makeSpiffeId({ trustDomain: 'td', namespace: 'a/sa/b', serviceAccount: 'c' }), {
    code: 'SPIFFE_ID_INVALID',
  });
});
