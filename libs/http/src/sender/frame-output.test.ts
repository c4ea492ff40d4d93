import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FrameOutput, type OutputSlabs } from './frame-output.ts';

class CountedSlabs implements OutputSlabs {
  readonly slabBytes: number;
  outside = 0;

  constructor(slabBytes: number) {
    this.slabBytes = slabBytes;
  }

  take(): Uint8Array {
    this.outside += 1;
    return new Uint8Array(this.slabBytes);
  }

  giveBack(): void {
    this.outside -= 1;
  }
}

/** Gives what waits to `taken`, at most `room` bytes. */
class LimitedOutput extends FrameOutput {
  room = 0;
  readonly taken: number[] = [];

  override flush(): boolean {
    const bytes = Math.min(this.room, this.length);
    this.taken.push(...this.slab.subarray(this.start, this.start + bytes));
    this.room -= bytes;
    this.take(bytes);
    this.isBlocked = this.length > 0;
    return true;
  }
}

function put(output: FrameOutput, ...bytes: number[]): boolean {
  if (!output.reserve(bytes.length)) return false;
  output.slab.set(bytes, output.position);
  output.commit(output.position + bytes.length);
  return true;
}

test('what was put leaves in order, also when it leaves in parts', () => {
  const output = new LimitedOutput([new CountedSlabs(8)], 8);
  put(output, 1, 2, 3);
  output.room = 2;
  output.flush();
  assert.ok(output.isBlocked);
  put(output, 4, 5);
  assert.equal(output.length, 3);
  output.room = 10;
  output.flush();
  assert.deepEqual(output.taken, [1, 2, 3, 4, 5]);
  assert.ok(!output.isBlocked);
});

test('a slab that is too small is replaced by a larger one, which goes back when all has left', () => {
  const small = new CountedSlabs(4);
  const large = new CountedSlabs(16);
  const output = new LimitedOutput([small, large], 16);
  assert.equal(small.outside + large.outside, 0);
  put(output, 1, 2, 3);
  assert.deepEqual([small.outside, large.outside], [1, 0]);
  put(output, 4, 5, 6);
  assert.deepEqual([small.outside, large.outside], [0, 1]);
  output.room = 6;
  output.flush();
  assert.deepEqual(output.taken, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([small.outside, large.outside], [0, 0]);
});

test('DATA has room up to its bound and none while the output is blocked', () => {
  const output = new LimitedOutput([new CountedSlabs(8)], 5);
  put(output, 1, 2);
  assert.equal(output.dataRoom, 3);
  output.flush();
  assert.equal(output.dataRoom, 0);
});

test('a frame that does not fit gets the place of what can still leave', () => {
  const output = new LimitedOutput([new CountedSlabs(4)], 4);
  put(output, 1, 2, 3, 4);
  output.room = 3;
  assert.ok(put(output, 5, 6));
  assert.ok(!output.isOverrun);
  output.room = 10;
  output.flush();
  assert.deepEqual(output.taken, [1, 2, 3, 4, 5, 6]);
});

test('a peer that is owed too much gets no further frame but the last word', () => {
  const output = new LimitedOutput([new CountedSlabs(4)], 4);
  put(output, 1, 2, 3, 4);
  assert.ok(!put(output, 5));
  assert.ok(output.isOverrun);
  output.room = 10;
  output.flush();
  assert.ok(!put(output, 6), 'a gap between frames would garble the rest');
  output.discard();
  assert.ok(put(output, 7));
  output.flush();
  assert.deepEqual(output.taken, [1, 2, 3, 4, 7]);
});
