import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discovery } from '@ambit/api';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { encodeResource, encodeResponse, scanResponse } from './delta-response.ts';
import { ADDRESS_TYPE } from './type-url.ts';
import { XdsError } from './xds-error.ts';

const content = fc.record({
  name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  version: fc.string({ maxLength: 16 }),
  value: fc.uint8Array({ maxLength: 300 }),
});
const names = fc.array(fc.string({ minLength: 1, maxLength: 10 }), { maxLength: 5 });

test('what the server joins is the message protobuf defines', () => {
  fc.assert(
    fc.property(fc.array(content, { maxLength: 8 }), names, names, (resources, aliases, removed) => {
      const bytes = encodeResponse({
        typeUrl: ADDRESS_TYPE,
        nonce: 'n-1',
        systemVersionInfo: 'v/1',
        encodedResources: resources.map((resource) => encodeResource(ADDRESS_TYPE, resource, aliases)),
        removed,
      });
      const message = fromBinary(discovery.DeltaDiscoveryResponseSchema, bytes);
      assert.equal(message.typeUrl, ADDRESS_TYPE);
      assert.equal(message.nonce, 'n-1');
      assert.equal(message.systemVersionInfo, 'v/1');
      assert.deepEqual(message.removedResources, removed);
      assert.equal(message.resources.length, resources.length);
      for (const [i, resource] of resources.entries()) {
        const got = message.resources[i];
        assert.equal(got?.name, resource.name);
        assert.equal(got.version, resource.version);
        assert.equal(got.resource?.typeUrl, ADDRESS_TYPE);
        assert.deepEqual([...(got.resource?.value ?? [])], [...resource.value]);
        assert.deepEqual(got.aliases, aliases);
      }
    }),
    { numRuns: 100, seed: 7 },
  );
});

test('what protobuf encodes is scanned back, one resource at a time', () => {
  fc.assert(
    fc.property(fc.array(content, { maxLength: 8 }), names, (resources, removed) => {
      const message = create(discovery.DeltaDiscoveryResponseSchema, {
        systemVersionInfo: 's',
        typeUrl: ADDRESS_TYPE,
        nonce: 'abc',
        removedResources: removed,
        resources: resources.map(({ name, version, value }) => ({
          name,
          version,
          resource: { typeUrl: ADDRESS_TYPE, value },
        })),
      });
      const scanned = scanResponse(toBinary(discovery.DeltaDiscoveryResponseSchema, message));
      assert.equal(scanned.typeUrl, ADDRESS_TYPE);
      assert.equal(scanned.nonce, 'abc');
      assert.deepEqual(scanned.removed, removed);
      assert.equal(scanned.resourceCount, resources.length);
      assert.deepEqual(
        [...scanned.resources()].map(({ name, version, value }) => ({ name, version, value: [...(value ?? [])] })),
        resources.map(({ name, version, value }) => ({ name, version, value: [...value] })),
      );
    }),
    { numRuns: 100, seed: 8 },
  );
});

test('a resource without a payload is told apart from an empty payload', () => {
  const message = create(discovery.DeltaDiscoveryResponseSchema, {
    resources: [{ name: 'none' }, { name: 'empty', resource: { typeUrl: ADDRESS_TYPE } }],
  });
  const [none, empty] = [...scanResponse(toBinary(discovery.DeltaDiscoveryResponseSchema, message)).resources()];
  assert.equal(none?.value, undefined);
  assert.equal(empty?.value?.length, 0);
});

test('unknown fields are skipped', () => {
  // Field 15 varint, field 16 fixed64, field 17 fixed32, field 18 bytes, then nonce.
  const bytes = Uint8Array.from([
    0x78, 0x96, 0x01, 0x81, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x8d, 0x01, 1, 2, 3, 4, 0x92, 0x01, 0x02, 9, 9, 0x2a, 0x01,
    0x6e,
  ]);
  assert.equal(scanResponse(bytes).nonce, 'n');
});

test('arbitrary bytes give a response or an XdsError, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        for (const resource of scanResponse(bytes).resources()) assert.equal(typeof resource.name, 'string');
      } catch (error) {
        assert.ok(error instanceof XdsError && error.code === 'MALFORMED');
      }
    }),
    { numRuns: 2_000, seed: 9 },
  );
});

test('every truncation of a response is an error or a shorter response, never a read beyond the end', () => {
  const whole = encodeResponse({
    typeUrl: ADDRESS_TYPE,
    nonce: 'n',
    systemVersionInfo: '',
    encodedResources: [encodeResource(ADDRESS_TYPE, { name: 'a', version: '1', value: Uint8Array.of(1, 2, 3) })],
    removed: ['b'],
  });
  for (let length = 0; length < whole.length; length += 1) {
    try {
      assert.ok([...scanResponse(whole.subarray(0, length)).resources()].length <= 1);
    } catch (error) {
      assert.ok(error instanceof XdsError);
    }
  }
});
