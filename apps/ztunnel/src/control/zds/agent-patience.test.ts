import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { AgentPatience } from './agent-patience.ts';

test('an agent that comes back in time was never missed, one that stays away is', () => {
  const clock = new ManualClock();
  const heard: boolean[] = [];
  using patience = new AgentPatience(30_000, clock, (isSynced) => heard.push(isSynced));
  patience.set(true);
  patience.set(false);
  clock.advance(29_000);
  patience.set(false);
  patience.set(true);
  clock.advance(60_000);
  assert.deepEqual(heard, [true, true]);
  patience.set(false);
  clock.advance(29_999);
  assert.deepEqual(heard, [true, true]);
  clock.advance(1);
  patience.set(false);
  assert.deepEqual(heard, [true, true, false]);
  patience.set(true);
  assert.deepEqual(heard, [true, true, false, true]);
});
