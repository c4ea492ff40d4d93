import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstIdentity, isOfTrustDomain } from './peer-principal.ts';

const strange = ['https://example.com', 'spiffe://cluster.local/workload', 'spiffe:///ns/a/sa/b'];

test('the first name that is an identity counts, whatever stands before it', () => {
  const names = [...strange, 'spiffe://cluster.local/ns/shop/sa/web', 'spiffe://cluster.local/ns/shop/sa/other'];
  assert.equal(firstIdentity(names)?.principal, 'cluster.local/ns/shop/sa/web');
  assert.equal(firstIdentity(strange), undefined);
  assert.equal(firstIdentity([]), undefined);
});

test('one identity of the trust domain is enough, and no other counts for it', () => {
  const foreign = 'spiffe://elsewhere/ns/shop/sa/web';
  assert.equal(isOfTrustDomain([...strange, foreign, 'spiffe://cluster.local/ns/a/sa/b'], 'cluster.local'), true);
  assert.equal(isOfTrustDomain([...strange, foreign], 'cluster.local'), false);
  assert.equal(isOfTrustDomain([], 'cluster.local'), false);
});
