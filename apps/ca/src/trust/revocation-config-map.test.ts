import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeRevocationList, makeTestCa } from '@ambit/testing';
import { CaError } from '../ca-error.ts';
import { checkRevocations, revocationMap } from './revocation-config-map.ts';

test('lists are published as they are, and none as an empty value, as istiod does', () => {
  for (const lists of ['', makeRevocationList(makeTestCa(), [])]) {
    checkRevocations(lists);
    const map = revocationMap(() => lists);
    const { object, digest } = map.content() ?? assert.fail();
    assert.deepEqual(object['data'], { 'ca-crl.pem': lists });
    assert.equal(map.digestOf(object), digest);
    for (const other of [{}, { data: {} }, { data: { 'ca-crl.pem': `${lists}\n` } }, { data: { 'ca-crl.pem': 7 } }])
      assert.notEqual(map.digestOf(other), digest);
  }
  assert.equal(revocationMap(() => undefined).content(), undefined);
});

test('what is no list is refused with what is wrong', () => {
  const { rootsPem } = makeTestCa();
  for (const [text, reason] of [
    [rootsPem, /ca-crl\.pem.*not a X509 CRL/],
    ['-----BEGIN X509 CRL-----\nMII', /cannot be used/],
    ['broken', /no X509 CRL/],
    ['x'.repeat(1_000_001), /longer than/],
  ] as const)
    assert.throws(
      () => checkRevocations(text),
      (error) => error instanceof CaError && reason.test(error.message),
    );
});
