import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeapTrimmer } from './heap-trimmer.ts';

const MIB = 1024 * 1024;

test('the heap is trimmed when the process has grown since the last time, and not otherwise', () => {
  let bytes = 100 * MIB;
  let trims = 0;
  using trimmer = new HeapTrimmer({
    residentBytes: () => bytes,
    trim: () => {
      trims += 1;
      bytes -= 2 * MIB;
    },
  });
  const trimsAt = (grownBytes: number): number => {
    bytes += grownBytes;
    trimmer.check();
    return trims;
  };
  assert.equal(trimsAt(0), 1);
  assert.equal(trimsAt(2 * MIB), 1);
  assert.equal(trimsAt(1 * MIB), 2);
  assert.equal(trimsAt(-10 * MIB), 2);
  assert.equal(trimsAt(3 * MIB), 3);
});

test('a process without descriptors is left alone, and looked at again', () => {
  let trims = 0;
  let isExhausted = true;
  const residentBytes = (): number => {
    if (isExhausted) throw new Error('EMFILE');
    return 100 * MIB;
  };
  using trimmer = new HeapTrimmer({ residentBytes, trim: () => void (trims += 1) });
  trimmer.check();
  assert.equal(trims, 0);
  isExhausted = false;
  trimmer.check();
  assert.equal(trims, 1);
});
