import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, type Resource, resourceKey, resourceKinds, ResourceTable } from '@ambit/kube';
import fc from 'fast-check';
import { ScopedSource } from './scoped-source.ts';

const selectors = [{ matchLabels: { mesh: 'in' }, matchExpressions: [] }];

function parse(text: string): readonly Resource[] {
  return parseManifests('scope.yaml', text).resources;
}
const namespace = (name: string, mesh: string) =>
  parse(`apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { mesh: ${mesh} } }`);
const pod = (place: string, name: string, app: string) =>
  parse(
    `apiVersion: v1\nkind: Pod\nmetadata: { namespace: ${place}, name: ${name}, labels: { app: ${app} } }\nspec: {}`,
  );
const node = parse('apiVersion: v1\nkind: Node\nmetadata: { name: node1 }');

function visible(source: ScopedSource): readonly string[] {
  return resourceKinds.flatMap((kind) => source.list(kind)).map(resourceKey);
}

test('only selected namespaces are seen, with what belongs to no namespace and the root namespace', () => {
  const table = new ResourceTable([
    ...node,
    ...namespace('one', 'in'),
    ...namespace('two', 'out'),
    ...namespace('root', 'out'),
    ...['one', 'two', 'root', 'unknown'].flatMap((place) => pod(place, 'p', 'a')),
  ]);
  using source = new ScopedSource(table, selectors, ['root']);
  assert.deepEqual(
    visible(source).filter((key) => !key.startsWith('Namespace')),
    ['Node node1', 'Pod one/p', 'Pod root/p'],
  );
});

test('whatever changes, events lead from what was seen to what is seen', () => {
  const pool: readonly Resource[] = ['one', 'two'].flatMap((place) => [
    ...namespace(place, 'in'),
    ...namespace(place, 'out'),
    ...['a', 'b'].flatMap((app) => ['p', 'q'].flatMap((name) => pod(place, name, app))),
  ]);
  const state = fc.uniqueArray(fc.integer({ min: 0, max: pool.length - 1 }), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(state, { minLength: 1, maxLength: 6 }), (states) => {
      const table = new ResourceTable();
      using source = new ScopedSource(table, selectors, []);
      const followed = new Map<string, Resource>();
      source.subscribe((events) => {
        for (const event of events) {
          if (event.kind === 'delete') followed.delete(resourceKey(event.previous));
          else followed.set(resourceKey(event.resource), event.resource);
        }
      });
      for (const indexes of states) {
        table.replace(indexes.map((index) => pool[index]).filter((item) => item !== undefined));
        const seen = resourceKinds.flatMap((kind): readonly Resource[] => source.list(kind));
        assert.deepEqual(new Map(seen.map((resource) => [resourceKey(resource), resource])), followed);
      }
    }),
    { numRuns: 300, seed: 20261121 },
  );
});
