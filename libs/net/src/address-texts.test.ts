import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressTexts } from './address-texts.ts';
import { formatIp } from './ip-address.ts';

test('a text is that of its bytes, whatever was asked for before', () => {
  const texts = new AddressTexts();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      assert.equal(texts.textOf(bytes), formatIp(bytes, 0, 4));
      assert.equal(texts.textOf(bytes), formatIp(bytes, 0, 4));
    }),
    { numRuns: 5000 },
  );
});
