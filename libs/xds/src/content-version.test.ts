import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createContentVersion } from './content-version.ts';

test('versions are the published xxHash64 values in lower-case hex', async () => {
  const version = await createContentVersion();
  assert.equal(version(new Uint8Array(0)), 'ef46db3751d8e999');
  assert.equal(version(new TextEncoder().encode('abc')), '44bc2cf5ad770999');
});

test('leading zeros are left out', async () => {
  const version = await createContentVersion();
  const lengths = new Set(Array.from({ length: 400 }, (_, i) => version(Uint8Array.of(i & 255, i >> 8)).length));
  assert.ok(lengths.has(15));
  assert.ok(lengths.has(16));
});
