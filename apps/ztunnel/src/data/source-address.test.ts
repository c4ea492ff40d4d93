import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceToKeep } from './source-address.ts';

const keeping = { keepsSourceAddress: true };

for (const [what, scope, client, target, source] of [
  ['another pod is seen under its own address', keeping, '10.0.0.1', '10.0.0.2', '10.0.0.1'],
  ['a pod that calls itself is not: the answer would never come back here', keeping, '10.0.0.2', '10.0.0.2', undefined],
  ['nor is one of the other family', keeping, 'fd00::1', '10.0.0.2', undefined],
  ['where addresses are not kept, nobody is', { keepsSourceAddress: false }, '10.0.0.1', '10.0.0.2', undefined],
] as const) {
  test(`the application sees clients under their address: ${what}`, () => {
    assert.equal(sourceToKeep(scope, client, target), source);
  });
}
