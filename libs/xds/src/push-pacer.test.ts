import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@ambit/runtime';
import { PushPacer } from './push-pacer.ts';

/** Rounds that take a given time on a clock that only they and the test move. */
class Rig implements Disposable {
  nowMs = 1_000;
  readonly begins: number[] = [];
  readonly rounds: (readonly [waitedMs: number, tookMs: number])[] = [];
  readonly pacer: PushPacer;
  #due: { readonly atMs: number; readonly callback: () => void } | undefined;

  constructor(slices: number, sliceMs: number) {
    const round = function* (rig: Rig): Generator<void, void, undefined> {
      rig.begins.push(rig.nowMs);
      for (let i = 0; i < slices; i += 1) {
        rig.nowMs += sliceMs;
        if (i < slices - 1) yield;
      }
    };
    const clock: Clock = {
      nowMs: () => this.nowMs,
      wallTimeMs: () => this.nowMs,
      after: (delayMs, callback) => {
        this.#due = { atMs: this.nowMs + delayMs, callback };
        return { [Symbol.dispose]: () => (this.#due = undefined) };
      },
    };
    this.pacer = new PushPacer(
      clock,
      () => round(this),
      (waitedMs, tookMs) => this.rounds.push([waitedMs, tookMs]),
    );
  }

  /** Lets rounds go on until nothing happens but a timer, which then fires. */
  async run(rounds: number): Promise<void> {
    while (this.rounds.length < rounds) {
      await nextTurn();
      const due = this.#due;
      if (due === undefined) continue;
      this.#due = undefined;
      this.nowMs = due.atMs;
      due.callback();
    }
  }

  [Symbol.dispose](): void {
    this.pacer[Symbol.dispose]();
  }
}

/** Times between the beginnings of rounds while something changes all the time. */
async function intervals(slices: number, sliceMs: number): Promise<readonly number[]> {
  using rig = new Rig(slices, sliceMs);
  for (let round = 1; round <= 4; round += 1) {
    rig.pacer.request();
    await rig.run(round);
  }
  return rig.begins.slice(1).map((begin, index) => begin - (rig.begins[index] ?? 0));
}

test('a change after a quiet time goes out at once, outside of the call that tells of it', async () => {
  using rig = new Rig(1, 1);
  rig.pacer.request();
  assert.deepEqual(rig.begins, []);
  await rig.run(1);
  assert.deepEqual(rig.begins, [1_000]);
  rig.nowMs += 1_000;
  rig.pacer.request();
  await rig.run(2);
  assert.deepEqual(rig.rounds, [
    [0, 1],
    [0, 1],
  ]);
});

test('short rounds take at most half of the time and come at most every five milliseconds', async () => {
  assert.deepEqual(await intervals(1, 1), [5, 5, 5]);
  assert.deepEqual(await intervals(4, 5), [40, 40, 40]);
});

test('longer rounds rest less, so that every stream is reached soon, and the longest follow each other', async () => {
  assert.deepEqual(await intervals(8, 5), [50, 50, 50]);
  assert.deepEqual(await intervals(20, 5), [101, 101, 101]);
});

test('what changes during a round asks for one more, however often', async () => {
  using rig = new Rig(3, 10);
  rig.pacer.request();
  await nextTurn();
  rig.pacer.request();
  rig.pacer.request();
  await rig.run(2);
  assert.equal(rig.begins.length, 2);
  for (let i = 0; i < 5; i += 1) await nextTurn();
  assert.equal(rig.begins.length, 2);
});

test('a pacer that was closed in the middle of a round does not go on', async () => {
  const rig = new Rig(3, 10);
  rig.pacer.request();
  await nextTurn();
  rig[Symbol.dispose]();
  for (let i = 0; i < 5; i += 1) await nextTurn();
  assert.deepEqual([rig.begins.length, rig.rounds.length], [1, 0]);
});
