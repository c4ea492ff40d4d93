import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KubeError } from './kube-error.ts';
import { readWatchEvent } from './watch-event.ts';
import { WatchLines } from './watch-lines.ts';

const lines = [{ a: 1 }, { text: 'ü\n"x"' }, [], { deep: [{ b: null }] }];
const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

test('however the bytes are cut the values are the same', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: bytes.length })), (cuts) => {
      const reader = new WatchLines();
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const values = places.slice(1).flatMap((end, index) => reader.push(bytes.subarray(places[index], end)));
      assert.deepEqual(values, lines);
    }),
  );
});

test('one byte at a time works, and empty lines are nothing', () => {
  const reader = new WatchLines();
  const text = Buffer.from('\n\n{"a":1}\n\n');
  assert.deepEqual(
    [...text].flatMap((byte) => reader.push(Uint8Array.of(byte))),
    [{ a: 1 }],
  );
});

test('a line without an end is refused at the limit, and so is what is not JSON', () => {
  const reader = new WatchLines(8);
  reader.push(Buffer.from('12345678'));
  assert.throws(() => reader.push(Buffer.from('9')), { code: 'TOO_LARGE' });
  assert.throws(() => new WatchLines().push(Buffer.from('{"a":\n')), { code: 'MALFORMED' });
});

test('no bytes make the reader fail in another way', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (chunks) => {
      const reader = new WatchLines(1024);
      try {
        for (const chunk of chunks) reader.push(chunk);
      } catch (error) {
        assert.ok(error instanceof KubeError);
      }
    }),
  );
});

test('no value makes the reader of events fail in another way', () => {
  const object = fc.record({
    metadata: fc.option(fc.dictionary(fc.constantFrom('name', 'namespace', 'resourceVersion'), fc.anything())),
  });
  const event = fc.record({ type: fc.constantFrom('ADDED', 'DELETED', 'BOOKMARK', 'ERROR', 'x'), object });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), event), (value) => {
      try {
        readWatchEvent(value, 'watch');
      } catch (error) {
        assert.ok(error instanceof KubeError);
      }
    }),
  );
});

test('an ERROR event is the error it stands for', () => {
  const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
  assert.throws(() => readWatchEvent({ type: 'ERROR', object }, 'watch of pods'), {
    code: 'GONE',
    message: 'watch of pods: too old',
  });
  const tooLarge = { kind: 'Status', code: 504, details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } };
  assert.throws(() => readWatchEvent({ type: 'ERROR', object: tooLarge }, 'x'), { code: 'GONE' });
});
