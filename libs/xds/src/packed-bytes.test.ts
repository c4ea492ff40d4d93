import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeResource, encodeResponse, putResource, resourceLength } from './delta-response.ts';
import { packBytes, unpackBytes } from './packed-bytes.ts';
import { ResourceStore, ztunnelTypes } from './resource-store.ts';
import { ADDRESS_TYPE } from './type-url.ts';

test('packed bytes are the bytes again, and equal exactly when these are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 3 }), (one, other) => {
      assert.deepEqual(new Uint8Array(unpackBytes(packBytes(one))), one);
      // A view into more than itself.
      assert.equal(
        packBytes(Buffer.concat([other, one, other]).subarray(other.length, -other.length || undefined)),
        packBytes(one),
      );
      assert.equal(packBytes(one) === packBytes(other), Buffer.compare(one, other) === 0);
    }),
  );
});

test('a packed resource writes what an encoded one is', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 200 }),
      fc.string({ maxLength: 20 }),
      fc.uint8Array({ maxLength: 400 }),
      (name, version, value) => {
        const encoded = encodeResource(ADDRESS_TYPE, { name, version, value });
        const content = { name, version, packed: packBytes(value) };
        const length = resourceLength(ADDRESS_TYPE, content);
        assert.equal(length, encoded.length);
        const out = Buffer.alloc(length + 9, 0xee);
        assert.equal(putResource(out, 4, ADDRESS_TYPE, content), 4 + length);
        assert.deepEqual(new Uint8Array(out.subarray(4, 4 + length)), new Uint8Array(encoded));
        assert.ok([...out.subarray(0, 4), ...out.subarray(4 + length)].every((byte) => byte === 0xee));
      },
    ),
  );
});

test('a store serves the same whether it was given bytes or packed ones, and sees that they are equal', () => {
  const value = Buffer.from([0, 255, 128, 7]);
  const stores = [value, packBytes(value)].map((given) => {
    const store = new ResourceStore(ztunnelTypes((bytes) => Buffer.from(bytes).toString('hex')));
    store.apply([{ typeUrl: ADDRESS_TYPE, set: [{ name: 'ä', value: given }] }]);
    return store;
  });
  const responses = stores.map((store) => {
    const encodedResources = [...store.all(ADDRESS_TYPE).values()];
    return encodeResponse({ typeUrl: ADDRESS_TYPE, nonce: '1', systemVersionInfo: 's', encodedResources, removed: [] });
  });
  assert.deepEqual(responses[0], responses[1]);
  for (const store of stores) {
    assert.equal(store.get(ADDRESS_TYPE, 'ä')?.version, '00ff8007');
    assert.deepEqual(Buffer.from(store.get(ADDRESS_TYPE, 'ä')?.value ?? []), value);
    for (const equal of [Buffer.from(value), packBytes(value)]) {
      store.apply([{ typeUrl: ADDRESS_TYPE, set: [{ name: 'ä', value: equal }] }]);
    }
    assert.equal(store.generation, 1);
  }
});
