import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrpcError } from '../grpc-error.ts';
import { MessageReader } from './message-reader.ts';

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Gives the bytes in pieces of these lengths, the rest at once, each at an offset of a buffer that is overwritten later. */
function read(reader: MessageReader, bytes: Uint8Array, pieces: readonly number[]): Buffer[] {
  const messages: Buffer[] = [];
  let at = 0;
  for (const length of [...pieces, bytes.length]) {
    const piece = bytes.subarray(at, at + length);
    at += piece.length;
    const lent = Buffer.alloc(piece.length + 7);
    lent.set(piece, 3);
    const kept: Uint8Array[] = [];
    reader.push(lent, 3, piece.length, (message, isView) => {
      messages.push(Buffer.from(message));
      if (!isView) kept.push(message);
    });
    const before = kept.map((message) => Buffer.from(message));
    lent.fill(0xff);
    for (const [index, message] of kept.entries()) assert.deepEqual(Buffer.from(message), before[index]);
  }
  return messages;
}

test('messages come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }),
      fc.array(fc.nat({ max: 90 }), { maxLength: 60 }),
      (messages, pieces) => {
        const reader = new MessageReader(1_000);
        const bytes = Buffer.concat(messages.map(framed));
        assert.deepEqual(
          read(reader, bytes, pieces).map((message) => [...message]),
          messages.map((message) => [...message]),
        );
        assert.equal(reader.isInside, false);
      },
    ),
  );
});

test('a message that comes byte by byte is whole at its last byte', () => {
  const reader = new MessageReader(1_000_000);
  const message = Buffer.alloc(70_000, 'x');
  const bytes = framed(message);
  const [found, ...others] = read(
    reader,
    bytes,
    Array.from({ length: 300 }, () => 1),
  );
  assert.deepEqual(found, message);
  assert.equal(others.length, 0);
  read(reader, bytes.subarray(0, 100), []);
  assert.equal(reader.isInside, true);
});

test('arbitrary bytes give messages within the limit or a GrpcError, and never cost more than has come', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.nat({ max: 50 }), { maxLength: 20 }),
      (bytes, pieces) => {
        try {
          for (const message of read(new MessageReader(64), bytes, pieces)) assert.ok(message.length <= 64);
        } catch (error) {
          assert.ok(error instanceof GrpcError);
          assert.ok(['RESOURCE_EXHAUSTED', 'UNIMPLEMENTED', 'INTERNAL'].includes(error.status));
        }
      },
    ),
  );
});

test('a length over the limit and a compressed message are refused at their prefix', () => {
  const refused = (prefix: readonly number[], status: string): void => {
    assert.throws(() => read(new MessageReader(1_000), Buffer.from(prefix), []), { status });
  };
  refused([0, 0, 0, 3, 0xe9], 'RESOURCE_EXHAUSTED');
  refused([0, 0xff, 0xff, 0xff, 0xff], 'RESOURCE_EXHAUSTED');
  refused([1, 0, 0, 0, 1], 'UNIMPLEMENTED');
  refused([2, 0, 0, 0, 1], 'INTERNAL');
  assert.deepEqual(read(new MessageReader(1_000), Buffer.from([0, 0, 0, 3, 0xe8]), []), []);
});

test('a client is told which messages are compressed', () => {
  const reader = new MessageReader(1_000, 'client');
  const told: (readonly [string, boolean])[] = [];
  const bytes = Buffer.concat([framed(Buffer.from('plain')), framed(Buffer.from('packed')), framed(Buffer.alloc(0))]);
  bytes[10] = 1;
  for (let at = 0; at < bytes.length; at += 1) {
    reader.push(bytes, at, 1, (message, _isView, isCompressed) =>
      told.push([Buffer.from(message).toString(), isCompressed]),
    );
  }
  assert.deepEqual(told, [
    ['plain', false],
    ['packed', true],
    ['', false],
  ]);
});
