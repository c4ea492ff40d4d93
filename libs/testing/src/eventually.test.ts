import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventually } from './eventually.ts';

test('asks until there is an answer', async () => {
  const answers = [undefined, false as const, 0, 1];
  assert.equal(await eventually('a number', () => answers.shift()), 0);
  assert.deepEqual(answers, [1]);
});

test('says what did not come, as it was at the end', async () => {
  let asked = 0;
  await assert.rejects(
    eventually(
      () => `an answer, asked ${asked} times`,
      () => ++asked < 0,
      0,
    ),
    /not within 0 ms: an answer, asked [12] times/,
  );
});

test('an attempt that throws ends it', async () => {
  await assert.rejects(
    eventually('anything', () => Promise.reject(new RangeError('broken'))),
    RangeError,
  );
});
