import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Timer, TimerHeap } from './timer-heap.ts';

test('timers come out by time, without the removed ones, whatever the order of adding and removing', () => {
  const nothing = { onTimer: () => undefined };
  const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.record({ remove: fc.nat(60) })), {
    maxLength: 120,
  });
  fc.assert(
    fc.property(steps, (plan) => {
      const heap = new TimerHeap();
      const all: Timer[] = [];
      const pending = new Set<Timer>();
      for (const step of plan) {
        if (typeof step === 'number') {
          const timer = new Timer(step, nothing);
          heap.add(timer);
          all.push(timer);
          pending.add(timer);
        } else {
          const timer = all[step.remove];
          if (timer) heap.remove(timer);
          if (timer) pending.delete(timer);
        }
        assert.equal(heap.size, pending.size);
      }
      const out: number[] = [];
      for (let timer = heap.peek(); timer !== undefined; timer = heap.peek()) {
        heap.remove(timer);
        out.push(timer.dueMs);
      }
      assert.deepEqual(
        out,
        [...pending].map((timer) => timer.dueMs).toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 500 },
  );
});
