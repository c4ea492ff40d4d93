import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDiscoverySelectors, parseVisibility } from './mesh-config-text.ts';

test('discovery selectors are a list, and mistakes in them are told', () => {
  const text = '[{"matchLabels":{"a":"b"}},{"matchExpressions":[{"key":"c","operator":"Exists"}]}]';
  assert.equal(parseDiscoverySelectors(text).length, 2);
  assert.throws(() => parseDiscoverySelectors('{}'), { message: /must be a JSON list/ });
  assert.throws(() => parseDiscoverySelectors('[{"matchLabels":{"a":1}}]'), { message: /^\[0\]: matchLabels/ });
});

test('the form of a MeshConfig is read, with PUBLIC where nothing is said', () => {
  const text = JSON.stringify({
    policies: [
      { visibility: 'NONE', matchingRules: [{ namespaceSelector: { matchLabels: { a: 'b' } } }] },
      { visibility: 'NAMESPACE' },
    ],
  });
  assert.deepEqual(parseVisibility(text), {
    defaultVisibility: 'PUBLIC',
    policies: [
      { visibility: 'NONE', namespaceSelectors: [{ matchLabels: { a: 'b' }, matchExpressions: [] }] },
      { visibility: 'NAMESPACE', namespaceSelectors: [] },
    ],
  });
});

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ['[]', /must be a JSON object/],
  ['{"defaultVisibility":"OPEN"}', /defaultVisibility must be PUBLIC, NAMESPACE or NONE/],
  ['{"policies":{}}', /policies must be a list/],
  ['{"policies":[{"matchingRules":[{}]}]}', /policies\[0\]\.matchingRules\[0\] must have a namespaceSelector/],
  [
    '{"policies":[{"matchingRules":[{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"Is"}]}}]}]}',
    /must be one of In/,
  ],
];
for (const [text, message] of wrong) {
  test(`${text} is refused with what is wrong`, () => assert.throws(() => parseVisibility(text), { message }));
}
