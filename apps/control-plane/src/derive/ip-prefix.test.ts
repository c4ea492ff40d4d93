import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipBytes, ipText, parsePrefix } from './ip-prefix.ts';

test('addresses become raw bytes; IPv4-mapped ones become IPv4', () => {
  assert.deepEqual([...(ipBytes('10.0.255.1') ?? [])], [10, 0, 255, 1]);
  assert.deepEqual([...(ipBytes('fd00::1:2') ?? [])], [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
  assert.deepEqual([...(ipBytes('::ffff:10.0.0.1') ?? [])], [10, 0, 0, 1]);
  assert.deepEqual([...(ipBytes('64:ff9b::10.0.0.1') ?? [])].slice(-4), [10, 0, 0, 1]);
  for (const text of ['', 'x', '10.0.0', '10.0.0.256', 'fe80::1%eth0', '::1::', '10.0.0.1/8'])
    assert.equal(ipBytes(text), undefined, text);
});

test('prefixes keep their length, addresses have their full one', () => {
  const lengths = [
    '10.0.0.0/8',
    '10.0.0.1',
    'fd00::/64',
    'fd00::1',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
  ].map((text) => parsePrefix(text)?.length);
  assert.deepEqual(lengths, [8, 32, 64, 128, undefined, undefined, undefined, undefined, undefined]);
});

test('text and bytes are inverse', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(bytes, (value) => {
      const text = ipText(value);
      assert.equal(isIP(text), value.length === 4 ? 4 : 6);
      const back = ipBytes(text);
      // An IPv4-mapped address comes back as IPv4.
      if (back?.length === value.length) assert.deepEqual([...back], [...value]);
      else assert.deepEqual([...(back ?? [])], [...value.subarray(12)]);
    }),
    { numRuns: 500, seed: 20261121 },
  );
});
