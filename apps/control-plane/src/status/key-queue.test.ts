import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { KeyQueue } from './key-queue.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a key that changes while it is worked on comes once more, and never twice at a time', async () => {
  const queue = new KeyQueue(new ManualClock());
  const stop = new AbortController();
  const log: string[] = [];
  let release: () => void = () => undefined;
  const running = queue.run(
    3,
    async (key) => {
      log.push(`begin ${key}`);
      await new Promise<void>((resolve) => (release = resolve));
      log.push(`end ${key}`);
      return 'done';
    },
    stop.signal,
  );
  queue.add('a');
  queue.add('a');
  await turn();
  queue.add('a');
  queue.add('a');
  assert.deepEqual(log, ['begin a']);
  release();
  await turn();
  assert.deepEqual(log, ['begin a', 'end a', 'begin a']);
  release();
  await turn();
  assert.deepEqual([log.length, queue.size], [4, 0]);
  stop.abort();
  await running;
});

test('what was under way at the end is waited for, and nothing new begins', async () => {
  const queue = new KeyQueue(new ManualClock());
  const stop = new AbortController();
  let begun = 0;
  let release: () => void = () => undefined;
  const running = queue.run(
    1,
    async () => {
      begun += 1;
      await new Promise<void>((resolve) => (release = resolve));
      return 'retry';
    },
    stop.signal,
  );
  queue.add('a');
  queue.add('b');
  await turn();
  stop.abort();
  let ended = false;
  void running.then(() => (ended = true));
  await turn();
  assert.deepEqual([begun, ended], [1, false]);
  release();
  await running;
  assert.equal(begun, 1);
});
