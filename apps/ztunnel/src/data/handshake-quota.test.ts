import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandshakeQuota } from './handshake-quota.ts';

test('an address that has used up its handshakes is turned away until one has ended', () => {
  const quota = new HandshakeQuota(2);
  assert.deepEqual([quota.enter('10.0.0.1'), quota.enter('10.0.0.1'), quota.enter('10.0.0.1')], [true, true, false]);
  quota.leave('10.0.0.1');
  assert.deepEqual([quota.enter('10.0.0.1'), quota.enter('10.0.0.1')], [true, false]);
});

test('the handshakes of one address do not count for another', () => {
  const quota = new HandshakeQuota(1);
  assert.equal(quota.enter('10.0.0.1'), true);
  assert.equal(quota.enter('10.0.0.2'), true);
  assert.equal(quota.enter('10.0.0.1'), false);
});

test('an address without handshakes is forgotten, and a leave too many gives no extra room', () => {
  const quota = new HandshakeQuota(1);
  quota.leave('10.0.0.1');
  assert.equal(quota.enter('10.0.0.1'), true);
  assert.equal(quota.enter('10.0.0.1'), false);
});
