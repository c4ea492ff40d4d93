import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopWorker } from './loop-worker.ts';
import type { NetError } from './net-error.ts';
import type { Heard, ListingSettings, Told } from './test-support/listing-worker.ts';

const listing = new URL('./test-support/listing-worker.ts', import.meta.url);

interface Rig extends Disposable {
  readonly worker: LoopWorker<ListingSettings, Told, Heard>;
  /** Fulfilled with all lines when there are so many. */
  lines(count: number): Promise<readonly string[]>;
  readonly stopped: Int32Array<SharedArrayBuffer>;
  readonly death: Promise<NetError>;
}

function rig(entry = listing): Rig {
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  const heard: string[] = [];
  let enough = (): void => undefined;
  const death = Promise.withResolvers<NetError>();
  const worker = new LoopWorker<ListingSettings, Told, Heard>({
    id: 7,
    entry,
    settings: { name: 'worker', stopped },
    maxYoungGenerationMb: 4,
    onMessage: ({ lines }) => {
      heard.push(...lines);
      enough();
    },
    onDeath: death.resolve,
  });
  return {
    worker,
    stopped,
    death: death.promise,
    lines: (count) => {
      const { promise, resolve } = Promise.withResolvers<readonly string[]>();
      enough = () => (heard.length >= count ? resolve(heard) : undefined);
      enough();
      return promise;
    },
    [Symbol.dispose]: () => worker.stop(),
  };
}

test('messages reach a worker in the order in which they were posted, before it runs and while it sleeps', async () => {
  using up = rig();
  up.worker.post({ kind: 'hello' });
  up.worker.post({ kind: 'again' });
  await up.worker.ready;
  assert.deepEqual(await up.lines(2), ['worker 7: hello', 'worker 7: again']);
  up.worker.post({ kind: 'hello' });
  assert.equal((await up.lines(3)).at(-1), 'worker 7: hello');
});

test('a worker learns that it is stopped', async () => {
  using up = rig();
  await up.worker.ready;
  up.worker.stop();
  const { value } = Atomics.waitAsync(up.stopped, 0, 0);
  assert.ok((await value) !== 'timed-out');
  assert.equal(Atomics.load(up.stopped, 0), 1);
});

test('a worker whose program throws is reported with the cause', async () => {
  using up = rig();
  await up.worker.ready;
  up.worker.post({ kind: 'fail' });
  const error = await up.death;
  assert.equal(error.code, 'WORKER_DIED');
  assert.equal(error.message, 'data worker 7 ended');
  assert.match(String(error.cause), /told to fail/);
});

test('a worker that dies at its start rejects the wait for it', async () => {
  using up = rig(new URL('data:text/javascript,throw new Error("boom")'));
  await assert.rejects(up.worker.ready, /data worker 7 ended/);
  assert.equal((await up.death).code, 'WORKER_DIED');
});
