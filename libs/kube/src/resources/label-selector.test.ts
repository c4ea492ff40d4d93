import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesSelector, parseLabelSelector } from './label-selector.ts';

const labels = { team: 'red', env: 'prod' };
const cases: readonly (readonly [selector: unknown, matches: boolean])[] = [
  [{}, true],
  [{ matchLabels: { team: 'red' } }, true],
  [{ matchLabels: { team: 'blue' } }, false],
  [{ matchExpressions: [{ key: 'team', operator: 'In', values: ['blue', 'red'] }] }, true],
  [{ matchExpressions: [{ key: 'size', operator: 'In', values: ['big'] }] }, false],
  [{ matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['prod'] }] }, false],
  [{ matchExpressions: [{ key: 'size', operator: 'NotIn', values: ['big'] }] }, true],
  [{ matchExpressions: [{ key: 'env', operator: 'Exists' }] }, true],
  [{ matchExpressions: [{ key: 'env', operator: 'DoesNotExist' }] }, false],
  [{ matchLabels: { team: 'red' }, matchExpressions: [{ key: 'size', operator: 'Exists' }] }, false],
];
for (const [selector, matches] of cases) {
  test(`${JSON.stringify(selector)} ${matches ? 'matches' : 'does not match'} team red in prod`, () => {
    assert.equal(matchesSelector(parseLabelSelector(selector, 'selector'), labels), matches);
  });
}

test('a selector with mistakes is refused with all of them', () => {
  const selector = {
    matchExpressions: [
      { key: 'a', operator: 'In' },
      { key: 'b', operator: 'Exists', values: ['c'] },
    ],
  };
  assert.throws(() => parseLabelSelector(selector, 'here'), {
    message: /^here: .*values is required with operator In; here: .*cannot be given with operator Exists$/,
  });
  assert.throws(() => parseLabelSelector('red', 'here'), { message: /^here must be a map/ });
});
