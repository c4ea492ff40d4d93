import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseManifests, type Resource, ResourceTable } from '@ambit/kube';
import { ResourceStore } from '@ambit/xds';
import fc from 'fast-check';
import { AddressAllocator } from '../allocate/address-allocator.ts';
import { meshTypes } from '../l7/l7-types.ts';
import { feedMesh } from '../mesh-feed.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { MeshPublisher } from '../publish/mesh-publisher.ts';
import { formatReport } from '@ambit/kube';
import { meshCollections } from './mesh-collections.ts';

/** All resources of the golden cases; the same name in several cases stands for versions of one object. */
const pool: readonly Resource[] = globSync(join(import.meta.dirname, '../../testdata/{*.in.yaml,l7/*.yaml}'))
  .filter((file) => !file.endsWith('.out.yaml'))
  .toSorted()
  .flatMap((file) => [...parseManifests(file, readFileSync(file, 'utf8')).resources]);

/** What clients would be sent, as text by name. */
function published(store: ResourceStore): Record<string, string> {
  const all = store.types.flatMap(({ typeUrl }) =>
    [...store.all(typeUrl).values()].map(({ name, value }) => [
      `${typeUrl} ${name}`,
      Buffer.from(value).toString('hex'),
    ]),
  );
  return Object.fromEntries(all);
}

function follow(source: ResourceTable) {
  const mesh = meshCollections(defaultMeshSettings);
  const store = new ResourceStore(meshTypes((value) => Buffer.from(value).toString('hex')));
  const publisher = new MeshPublisher(mesh, store, () => undefined);
  // Allocation remembers the past by design, so it is left out of the comparison.
  const allocator = new AddressAllocator({ next: 65535, assigned: {} });
  const feed = feedMesh({ mesh, source, allocator, onAllocated: () => undefined });
  return { mesh, store, dispose: () => [publisher, feed].forEach((item) => item[Symbol.dispose]()) };
}

test('whatever the order of changes, clients are sent what a fresh start would send', () => {
  const state = fc.uniqueArray(fc.integer({ min: 0, max: pool.length - 1 }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.array(state, { minLength: 1, maxLength: 6 }), (states) => {
      const source = new ResourceTable();
      const incremental = follow(source);
      for (const indexes of states)
        source.replace(indexes.map((index) => pool[index]).filter((item) => item !== undefined));
      const scratch = follow(source);
      assert.deepEqual(published(incremental.store), published(scratch.store));
      const findings = (mesh: typeof scratch.mesh) => [...mesh.findings.values()].map(formatReport).toSorted();
      assert.deepEqual(findings(incremental.mesh), findings(scratch.mesh));
      incremental.dispose();
      scratch.dispose();
    }),
    { numRuns: 60, seed: 20261121 },
  );
});
