import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PlainObject } from '../object-reader.ts';
import { resourceKinds } from '../read-resource.ts';
import { readApiObject, resourceOf } from './read-api-object.ts';
import { SharedParts } from './shared-parts.ts';

const parts = new SharedParts();

function pod(name: string, more: PlainObject = {}): PlainObject {
  return {
    metadata: {
      name,
      namespace: 'shop',
      resourceVersion: '1',
      managedFields: [{ manager: 'x' }],
      labels: { app: 'web' },
      annotations: {
        'ambient.istio.io/redirection': 'enabled',
        'kubectl.kubernetes.io/last-applied-configuration': '{}',
        'example.com/huge': 'x',
      },
    },
    spec: { nodeName: 'n', containers: [{ name: 'c', ports: [{ containerPort: 80 }], fieldOfTomorrow: 1 }] },
    ...more,
  };
}

test('fields nobody knows are no problem, and what means nothing to the mesh is dropped', () => {
  const read = resourceOf(readApiObject('Pod', pod('web'), undefined, parts));
  assert.equal(read?.kind, 'Pod');
  assert.deepEqual(read.metadata.annotations, { 'ambient.istio.io/redirection': 'enabled' });
  assert.equal(read.origin.file, 'Pod shop/web');
});

test('a change of nothing that is kept gives the same record', () => {
  const first = readApiObject('Pod', pod('web'), undefined, parts);
  const again = readApiObject('Pod', pod('web', { status: { message: 'a probe ran' } }), first, parts);
  const other = readApiObject('Pod', pod('web', { status: { phase: 'Running' } }), first, parts);
  assert.equal(again, first);
  assert.notEqual(other, first);
});

test('replicas share what they have in common', () => {
  const [a, b] = ['a', 'b'].map((name) => resourceOf(readApiObject('Pod', pod(name), undefined, parts)));
  assert.ok(a?.kind === 'Pod' && b?.kind === 'Pod');
  assert.equal(a.spec.containers, b.spec.containers);
  assert.equal(a.metadata.labels, b.metadata.labels);
});

test('no object makes the reader throw, whatever its kind', () => {
  const object = fc.record({
    metadata: fc.oneof(fc.constant({ name: 'x', namespace: 'y' }), fc.dictionary(fc.string(), fc.anything())),
    spec: fc.oneof(fc.dictionary(fc.string(), fc.anything()), fc.anything()),
    status: fc.anything(),
  });
  fc.assert(
    fc.property(fc.constantFrom(...resourceKinds), object, (kind, value) => {
      const kept = readApiObject(kind, value, undefined, parts);
      assert.ok(kept.kind === 'flawed' ? kept.reports.length > 0 : kept.kind === kind);
    }),
  );
});
