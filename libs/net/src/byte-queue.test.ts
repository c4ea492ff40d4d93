import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

test('what goes in comes out, in order, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(70_000), fc.nat(150_000)), { maxLength: 12 }),
      fc.integer({ min: 1, max: 90_000 }),
      (steps, most) => {
        const queue = new ByteQueue();
        const sent: Buffer[] = [];
        const got: Buffer[] = [];
        let next = 0;
        const drain = (limit: number): void => {
          let left = limit;
          queue.drainTo((buffer, offset, length) => {
            const take = Math.min(length, most, left);
            got.push(Buffer.from(buffer.subarray(offset, offset + take)));
            left -= take;
            return take;
          });
        };
        for (const [size, taken] of steps) {
          const bytes = Buffer.alloc(size + 2, ++next);
          sent.push(bytes.subarray(1, 1 + size));
          queue.append(bytes, 1, size);
          drain(taken);
        }
        while (queue.length > 0) drain(1_000_000);
        assert.ok(Buffer.concat(got).equals(Buffer.concat(sent)));
      },
    ),
    { numRuns: 60 },
  );
});

test('a negative answer stops and is passed on; nothing is lost', () => {
  const queue = new ByteQueue();
  queue.append(Buffer.from('abc'), 0, 3);
  assert.equal(
    queue.drainTo(() => -5),
    -5,
  );
  assert.equal(queue.length, 3);
  queue.clear();
  assert.equal(queue.length, 0);
});
