import assert from 'node:assert/strict';
import { test } from 'node:test';
import { strategicMerge } from './strategic-merge.ts';

const pod = {
  spec: {
    containers: [{ name: 'istio-proxy', image: 'a', env: [{ name: 'A', value: '1' }], args: ['x', 'y'] }],
    tolerations: [{ key: 'old' }],
  },
};

test('containers and variables are merged by name, other lists replaced', () => {
  const overlay = {
    spec: {
      containers: [
        {
          name: 'istio-proxy',
          args: ['z'],
          env: [
            { name: 'B', value: '2' },
            { name: 'A', value: '3' },
          ],
        },
        { name: 'side' },
      ],
      tolerations: [{ key: 'new' }],
    },
  };
  assert.deepEqual(strategicMerge(pod, overlay), {
    spec: {
      containers: [
        {
          name: 'istio-proxy',
          image: 'a',
          env: [
            { name: 'A', value: '3' },
            { name: 'B', value: '2' },
          ],
          args: ['z'],
        },
        { name: 'side' },
      ],
      tolerations: [{ key: 'new' }],
    },
  });
});

test('null removes, and the directives delete and replace', () => {
  const overlay = {
    spec: { tolerations: null, containers: [{ name: 'istio-proxy', env: [{ name: 'A', $patch: 'delete' }] }] },
  };
  assert.deepEqual(strategicMerge(pod, overlay), {
    spec: { containers: [{ name: 'istio-proxy', image: 'a', env: [], args: ['x', 'y'] }] },
  });
  assert.deepEqual(strategicMerge({ a: { b: 1 } }, { a: { $patch: 'replace', c: 2 } }), { a: { c: 2 } });
});

test('ports of containers and of Services have different keys', () => {
  assert.deepEqual(
    strategicMerge({ ports: [{ port: 80, name: 'http' }] }, { ports: [{ port: 80, nodePort: 30_080 }] }),
    {
      ports: [{ port: 80, name: 'http', nodePort: 30_080 }],
    },
  );
  assert.deepEqual(
    strategicMerge({ ports: [{ containerPort: 1, name: 'a' }] }, { ports: [{ containerPort: 2, name: 'b' }] }),
    {
      ports: [
        { containerPort: 1, name: 'a' },
        { containerPort: 2, name: 'b' },
      ],
    },
  );
});

test('the base is left as it was', () => {
  const before = structuredClone(pod);
  strategicMerge(pod, { spec: { containers: [{ name: 'istio-proxy', image: 'b' }] } });
  assert.deepEqual(pod, before);
});
