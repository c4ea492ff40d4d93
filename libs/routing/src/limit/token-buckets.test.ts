import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { TokenBuckets } from './token-buckets.ts';

const perMs = 1_000_000n;

function buckets(slots = 1024): { readonly taken: TokenBuckets; pass(ms: number): void } {
  let now = 5n;
  return {
    taken: new TokenBuckets(TokenBuckets.allocate(slots), () => now),
    pass: (ms) => void (now += BigInt(Math.round(ms * 1000)) * (perMs / 1000n)),
  };
}

const tenPerSecond = { tokens: 10, intervalMs: 1000, capacity: 3 };

test('a bucket gives what it holds, then as much as comes', () => {
  const { taken, pass } = buckets();
  const take = (): boolean => taken.take('limit', 'a', tenPerSecond).isTaken;
  assert.deepEqual([take(), take(), take(), take()], [true, true, true, false]);
  pass(99);
  assert.equal(take(), false);
  pass(2);
  assert.deepEqual([take(), take()], [true, false]);
  pass(10_000);
  assert.deepEqual([take(), take(), take(), take()], [true, true, true, false]);
});

test('it says how much is left, and how long to wait', () => {
  const { taken } = buckets();
  assert.deepEqual(taken.take('limit', 'a', tenPerSecond), { isTaken: true, remaining: 2, waitMs: 0, fullInMs: 100 });
  taken.take('limit', 'a', tenPerSecond);
  taken.take('limit', 'a', tenPerSecond);
  assert.deepEqual(taken.take('limit', 'a', tenPerSecond), {
    isTaken: false,
    remaining: 0,
    waitMs: 100,
    fullInMs: 300,
  });
});

test('keys and limits have buckets of their own', () => {
  const { taken } = buckets();
  const one = { tokens: 1, intervalMs: 1000, capacity: 1 };
  for (const [limit, key] of [
    ['one', 'a'],
    ['one', 'b'],
    ['two', 'a'],
  ] as const) {
    assert.equal(taken.take(limit, key, one).isTaken, true);
    assert.equal(taken.take(limit, key, one).isTaken, false);
  }
});

test('a flood of keys gets no more than one bucket beside those that have room', () => {
  const { taken } = buckets(16);
  const one = { tokens: 1, intervalMs: 60_000, capacity: 1 };
  let passed = 0;
  for (let i = 0; i < 10_000; i++) if (taken.take('limit', `key ${i}`, one).isTaken) passed += 1;
  assert.ok(passed <= 16, `${passed} passed`);
});

test('property: in any time no more pass than the bucket held and what came since', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
  const rules = fc.record({
    tokens: fc.integer({ min: 1, max: 1000 }),
    intervalMs: fc.constantFrom(1000, 60_000),
    capacity: fc.integer({ min: 1, max: 50 }),
  });
  fc.assert(
    fc.property(rules, steps, (rule, waits) => {
      const { taken, pass } = buckets();
      let elapsed = 0;
      let passed = 0;
      for (const wait of waits) {
        pass(wait);
        elapsed += wait;
        if (taken.take('limit', 'a', rule).isTaken) passed += 1;
        assert.ok(passed <= rule.capacity + (elapsed * rule.tokens) / rule.intervalMs + 1e-6);
      }
    }),
  );
});

test('threads count together', async () => {
  const shared = TokenBuckets.allocate(64);
  const rule = { tokens: 1, intervalMs: 3_600_000, capacity: 1000 };
  const entry = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ TokenBuckets }) => {
      const buckets = new TokenBuckets(workerData.shared);
      let passed = 0;
      for (let i = 0; i < 900; i++) if (buckets.take('limit', 'a', workerData.rule).isTaken) passed += 1;
      parentPort.postMessage(passed);
    });`;
  const module = new URL('token-buckets.ts', import.meta.url).href;
  const counts = await Promise.all(
    [1, 2].map(
      () =>
        new Promise<number>((resolve, reject) => {
          new Worker(entry, { eval: true, workerData: { shared, rule, module } })
            .on('message', resolve)
            .on('error', reject);
        }),
    ),
  );
  const sum = counts.reduce((total, count) => total + count, 0);
  assert.equal(sum, 1000);
});
