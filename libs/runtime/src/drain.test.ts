import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './clock.ts';
import { Drain } from './drain.ts';

test('a drain with nothing outstanding is done at once', async () => {
  const drain = new Drain(new ManualClock());
  await drain.start(1_000);
  assert.equal(drain.phase, 'done');
});

test('a drain ends when the last ticket is returned', async () => {
  const drain = new Drain(new ManualClock());
  const first = drain.hold();
  const second = drain.hold();
  const done = drain.start(1_000);
  first.release();
  first.release();
  assert.equal(drain.phase, 'draining');
  second.release();
  await done;
  assert.equal(drain.phase, 'done');
});

test('the deadline forces what is left, telling listeners each phase once', async () => {
  const clock = new ManualClock();
  const drain = new Drain(clock);
  drain.hold();
  const phases: string[] = [];
  drain.onPhase((phase) => phases.push(phase));
  const done = drain.start(1_000);
  clock.advance(999);
  assert.deepEqual(phases, ['draining']);
  clock.advance(1);
  await done;
  assert.deepEqual(phases, ['draining', 'forced', 'done']);
});
