import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { WritePace } from './write-pace.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Rig {
  readonly clock: ManualClock;
  /** Asks for so many turns. */
  ask(count: number): void;
  /** Turns that came after this much more time, milliseconds. */
  after(ms: number): Promise<number>;
}

function rig(signal: AbortSignal): Rig {
  const clock = new ManualClock();
  const pace = new WritePace(clock);
  let turns = 0;
  return {
    clock,
    ask: (count) => {
      for (let index = 0; index < count; index += 1) void pace.turn(signal).then(() => (turns += 1));
    },
    after: async (ms) => {
      clock.advance(ms);
      await turn();
      return turns;
    },
  };
}

test('a hundred writes go at once, those after them fifty a second', async () => {
  const { ask, after } = rig(new AbortController().signal);
  ask(1_000);
  assert.equal(await after(0), 100);
  assert.equal(await after(19), 100);
  assert.equal(await after(1), 101);
  assert.equal(await after(980), 150);
  assert.equal(await after(2_000), 250);
});

test('a rest earns a new burst, and not more than one', async () => {
  const { ask, after } = rig(new AbortController().signal);
  ask(100);
  await after(1_000);
  ask(60);
  assert.equal(await after(0), 150, 'one second earned fifty');
  await after(3_600_000);
  ask(200);
  assert.equal(await after(0), 260);
});

test('at the end nobody waits', async () => {
  const stop = new AbortController();
  const { ask, after } = rig(stop.signal);
  ask(150);
  assert.equal(await after(0), 100);
  stop.abort();
  ask(10);
  assert.equal(await after(0), 160);
});
