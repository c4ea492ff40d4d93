import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@ambit/testing';
import { type KeptProcess, MemoryKeeper } from './memory-keeper.ts';

const MIB = 1024 * 1024;

/** A process whose memory the test sets; a collection leaves what is live. */
class Rig implements KeptProcess, Disposable {
  busy = 0;
  residentMiB = 0;
  liveMiB = 0;
  collections = 0;
  trims = 0;
  readonly keeper = new MemoryKeeper(this);

  utilization(): number {
    return this.busy;
  }

  residentBytes(): number {
    return this.residentMiB * MIB;
  }

  collect(): void {
    this.collections += 1;
    this.residentMiB = this.liveMiB;
  }

  trim(): void {
    this.trims += 1;
  }

  /** Number of collections after one look. */
  look(residentMiB: number, liveMiB: number, busy = 0): number {
    this.residentMiB = residentMiB;
    this.liveMiB = liveMiB;
    this.busy = busy;
    this.keeper.check();
    return this.collections;
  }

  [Symbol.dispose](): void {
    this.keeper[Symbol.dispose]();
  }
}

test('a process that has grown is collected when it is quiet, and once', () => {
  using rig = new Rig();
  assert.equal(rig.look(500, 300, 0.9), 0);
  assert.equal(rig.look(500, 300), 1);
  assert.equal(rig.look(300, 300), 1);
  assert.equal(rig.look(310, 300), 1, 'growth by little');
  assert.equal(rig.look(340, 300), 1, 'growth by a small part');
  assert.equal(rig.look(400, 300, 0.5), 1, 'busy');
  assert.equal(rig.look(400, 320), 2);
});

test('what a process gives back by itself lowers the mark for the next growth', () => {
  using rig = new Rig();
  rig.look(500, 400);
  assert.equal(rig.look(200, 200), 1);
  assert.equal(rig.look(300, 200), 2);
});

test('a small process is not collected for a few megabytes', () => {
  using rig = new Rig();
  rig.look(60, 50);
  assert.equal(rig.look(64, 50), 1);
  assert.equal(rig.look(67, 50), 2);
});

test('a process that keeps growing is collected less and less often', () => {
  using rig = new Rig();
  const looks: number[] = [];
  for (let look = 0; look < 150; look += 1) {
    const before = rig.collections;
    if (rig.look(400, 300) > before) looks.push(look);
  }
  const gaps = looks.slice(1).map((look, index) => look - (looks[index] ?? 0));
  assert.deepEqual(gaps, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('free pages of the C heap are returned at each look, of a busy process as well', () => {
  using rig = new Rig();
  rig.look(0, 0, 1);
  rig.look(0, 0, 1);
  assert.equal(rig.trims, 2);
});

// AddressSanitizer keeps freed memory to find uses of it: there only the collection can be seen.
const isSanitized = process.execArgv.includes('--conditions=ambit-sanitize');

test('this process gives back what it took for a moment, and nothing stays in reach of its program', async () => {
  using keeper = new MemoryKeeper();
  assert.equal(Reflect.get(globalThis, 'gc'), undefined);
  const usedBytes = (): number => (isSanitized ? process.memoryUsage().arrayBuffers : process.memoryUsage.rss());
  let garbage: Uint8Array[] | undefined = Array.from({ length: 64 }, () => new Uint8Array(MIB).fill(1));
  const before = usedBytes();
  assert.ok(before >= garbage.length * MIB);
  garbage = undefined;
  await eventually('it is given back', () => {
    keeper.check();
    return usedBytes() <= before - 32 * MIB;
  });
});
