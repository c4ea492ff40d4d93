import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Gate } from './gate.ts';

/** Tasks of a gate that a test ends, in the order in which they began. */
class Tasks {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, (isFailure: boolean) => void>();
  readonly #gate: Gate;

  constructor(width: number) {
    this.#gate = new Gate(width);
  }

  add(name: string, isUrgent = false): Promise<string> {
    const task = async (): Promise<string> => {
      this.begun.push(name);
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      this.#ends.set(name, (isFailure) => (isFailure ? reject(new Error(name)) : resolve(name)));
      return promise;
    };
    return this.#gate.run(task, isUrgent);
  }

  async end(name: string, isFailure = false): Promise<void> {
    this.#ends.get(name)?.(isFailure);
    await turn();
  }
}

test('at most so many run, the others in the order of their arrival', async () => {
  const tasks = new Tasks(2);
  const results = ['a', 'b', 'c', 'd'].map((name) => tasks.add(name));
  assert.deepEqual(tasks.begun, ['a', 'b']);
  await tasks.end('b');
  assert.deepEqual(tasks.begun, ['a', 'b', 'c']);
  for (const name of ['a', 'c', 'd']) await tasks.end(name);
  assert.deepEqual(await Promise.all(results), ['a', 'b', 'c', 'd']);
});

test('an urgent one goes before those that wait, and after urgent ones before it', async () => {
  const tasks = new Tasks(1);
  const results = [tasks.add('first'), tasks.add('second'), tasks.add('urgent', true), tasks.add('urgent too', true)];
  for (const name of ['first', 'urgent', 'urgent too', 'second']) await tasks.end(name);
  await Promise.all(results);
  assert.deepEqual(tasks.begun, ['first', 'urgent', 'urgent too', 'second']);
});

test('one that fails gives its place to the next, and an empty gate is as wide as before', async () => {
  const tasks = new Tasks(1);
  const failing = assert.rejects(tasks.add('failing'), { message: 'failing' });
  const next = tasks.add('next');
  await tasks.end('failing', true);
  await failing;
  await tasks.end('next');
  await next;
  const last = tasks.add('last');
  assert.deepEqual(tasks.begun, ['failing', 'next', 'last']);
  await tasks.end('last');
  await last;
});
