import assert from 'node:assert/strict';
import { test } from 'node:test';
import { once } from 'node:events';
import { TaskScope } from './task-scope.ts';
import { Readiness } from './readiness.ts';
import { Backoff } from './backoff.ts';
import { ManualClock } from './clock.ts';

test('disposing aborts tasks, then cleans up last-in first-out, then waits', async () => {
  const steps: string[] = [];
  const scope = new TaskScope();
  scope.run('waiter', async (signal) => {
    await once(signal, 'abort');
    steps.push('task ended');
  });
  scope.defer(() => void steps.push('first'));
  scope.defer(() => void steps.push('second'));
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(
    steps.filter((step) => step !== 'task ended'),
    ['second', 'first'],
  );
  assert.ok(steps.includes('task ended'));
  await scope[Symbol.asyncDispose]();
});

test('a failing task is reported with its name and a leftover is named', async () => {
  const failures: string[] = [];
  const leftovers: string[][] = [];
  const scope = new TaskScope({
    graceMs: 5,
    onError: (name, error) => failures.push(`${name}: ${error.message}`),
    onLeftover: (names) => leftovers.push([...names]),
  });
  scope.run('broken', () => Promise.reject(new Error('boom')));
  scope.run('deaf', () => new Promise(() => {}));
  await new Promise((resolve) => setImmediate(resolve));
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(failures, ['broken: boom']);
  assert.deepEqual(leftovers, [['deaf']]);
});

test('readiness is the absence of open conditions', () => {
  const readiness = new Readiness();
  const seen: boolean[] = [];
  readiness.onChange((isReady) => seen.push(isReady));
  const xds = readiness.pend('xds');
  const again = readiness.pend('xds');
  xds();
  xds();
  assert.deepEqual(readiness.pending(), ['xds']);
  again();
  assert.ok(readiness.isReady);
  assert.deepEqual(seen, [false, true]);
});

test('back-off doubles to its cap, jitters within bounds and starts over', () => {
  const plain = new Backoff({ initialMs: 10, maxMs: 50 });
  assert.deepEqual([plain.nextMs(), plain.nextMs(), plain.nextMs(), plain.nextMs()], [10, 20, 40, 50]);
  plain.reset();
  assert.equal(plain.nextMs(), 10);
  const low = new Backoff({ initialMs: 100, maxMs: 1_000, jitter: 0.2, random: () => 0 });
  assert.equal(low.nextMs(), 80);
});

test('a manual clock fires timers in order of their due time', () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push(`late ${clock.nowMs()}`));
  clock.after(10, () => fired.push(`early ${clock.nowMs()}`));
  clock.after(15, () => fired.push('never'))[Symbol.dispose]();
  clock.advance(30);
  assert.deepEqual(fired, ['early 10', 'late 20']);
  assert.equal(clock.nowMs(), 30);
});
