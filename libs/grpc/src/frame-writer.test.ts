import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_PREFIX_BYTES, putFramePrefix } from './frame-prefix.ts';
import { frameWriter } from './frame-writer.ts';
import { GrpcChannel } from './grpc-channel.ts';
import { bidiHandler } from './grpc-handler.ts';
import { GrpcServer } from './grpc-server.ts';
import { type MethodDefinition } from '@grpc/grpc-js';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const method: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/ambit.test.Frames/Take',
  requestStream: true,
  responseStream: true,
  requestSerialize: asBuffer,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: asBuffer,
  responseDeserialize: (bytes) => bytes,
};

test('prebuilt frames reach a gRPC client uncopied, in order, and the status follows them', async () => {
  const message = Uint8Array.from({ length: 300_000 }, (_, i) => i & 0xff);
  const frame = new Uint8Array(FRAME_PREFIX_BYTES + message.length);
  putFramePrefix(frame, message.length);
  frame.set(message, FRAME_PREFIX_BYTES);
  const empty = new Uint8Array(FRAME_PREFIX_BYTES);
  let isDirect = false;
  const handler = bidiHandler(method, async (stream) => {
    const writer = frameWriter(stream);
    isDirect = writer.isDirect;
    let wake = (): void => undefined;
    writer.onDrain(() => wake());
    const write = async (bytes: Uint8Array): Promise<void> => {
      if (!writer.write(bytes)) await new Promise<void>((resolve) => (wake = resolve));
    };
    await write(frame);
    await write(empty);
    await write(frame);
  });
  await using server = new GrpcServer({ handlers: [handler] });
  const port = await server.listen({ address: '127.0.0.1', port: 0 });
  using channel = new GrpcChannel({ address: `http://127.0.0.1:${port}` });
  const lengths: number[] = [];
  for await (const received of channel.bidi(method)) {
    assert.ok(received instanceof Uint8Array);
    lengths.push(received.length);
    if (received.length > 0) assert.deepEqual(Buffer.compare(received, message), 0);
  }
  assert.deepEqual(lengths, [message.length, 0, message.length]);
  assert.equal(isDirect, true, 'the pinned grpc-js has its HTTP/2 stream elsewhere: see frame-writer.ts');
});

test('a stream whose client does not read can be cut', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const handler = bidiHandler(method, async (stream, call) => {
    call.signal.addEventListener('abort', () => resolve(), { once: true });
    const writer = frameWriter(stream);
    const frame = new Uint8Array(FRAME_PREFIX_BYTES + 1_000_000);
    putFramePrefix(frame, 1_000_000);
    while (writer.write(frame));
    writer.abort();
    await closed;
  });
  await using server = new GrpcServer({ handlers: [handler] });
  const port = await server.listen({ address: '127.0.0.1', port: 0 });
  using channel = new GrpcChannel({ address: `http://127.0.0.1:${port}` });
  const stream = channel.bidi(method);
  stream.on('error', () => undefined);
  await closed;
  stream.cancel();
});
