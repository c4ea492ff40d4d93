/**
 * Sends HTTP/2 requests (prior knowledge) whose fields hold whatever the order says, each on a connection of its own, and
 * prints the status, or how the stream or the connection ended. For requests that no client library would make.
 */
import { connect } from 'node:net';
import {
  errorCodeName,
  FrameDecoder,
  type FrameSink,
  FrameFlag,
  FrameType,
  HpackDecoder,
  HpackEncoder,
  writeFrameHeader,
} from '@ambit/http';
import { type Fields, ignoredFrames, settingsAck, writeFields, writeOpening } from './http2-frames.ts';
import { finish, readOrder } from './order.ts';

interface RawHttp2Request {
  readonly host: string;
  readonly port: number;
  readonly fields: Fields;
  /** Latin-1; sent in one DATA frame, with END_STREAM unless there are trailers. */
  readonly data?: string;
  readonly trailers?: Fields;
}

interface Order {
  readonly requests: readonly RawHttp2Request[];
  readonly concurrency: number;
  readonly patienceMs: number;
}

const order = await readOrder<Order>();
const answers: string[] = [];
let next = 0;

async function work(): Promise<void> {
  for (let at = next++; at < order.requests.length; at = next++) {
    const request = order.requests[at];
    if (request !== undefined) answers[at] = await exchange(request);
  }
}

/** `status 200`, `reset <code>`, `goaway <code>`, or how the connection ended. */
function exchange(request: RawHttp2Request): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: request.host, port: request.port, timeout: order.patienceMs });
  const settle = (ending: string): void => {
    socket.destroy();
    resolve(ending);
  };
  const decoder = new FrameDecoder(
    'client',
    listener(settle, () => socket.write(settingsAck)),
  );
  socket.on('connect', () => socket.write(bytesOf(request)));
  socket.on('data', (bytes: Buffer) => {
    try {
      decoder.push(bytes, 0, bytes.length);
    } catch (error) {
      settle(String(error));
    }
  });
  socket.on('end', () => settle('end'));
  socket.on('timeout', () => settle('silence'));
  socket.on('error', (error: Error & { readonly code?: string }) => settle(error.code ?? error.message));
  return promise;
}

function bytesOf({ fields, data, trailers }: RawHttp2Request): Buffer {
  const room = Buffer.alloc(256 * 1024 + (data?.length ?? 0));
  const encoder = new HpackEncoder(0);
  let at = writeOpening(room);
  const isBodyless = data === undefined && trailers === undefined;
  at = writeFields(encoder, room, at, 1, fields, isBodyless);
  if (data !== undefined) {
    at = writeFrameHeader(room, at, data.length, FrameType.data, trailers === undefined ? FrameFlag.endStream : 0, 1);
    at += room.write(data, at, 'latin1');
  }
  if (trailers !== undefined) at = writeFields(encoder, room, at, 1, trailers, true);
  return room.subarray(0, at);
}

function listener(settle: (ending: string) => void, acknowledge: () => void): FrameSink {
  const hpack = new HpackDecoder(64 * 1024);
  return {
    ...ignoredFrames,
    onSettingsEnd: acknowledge,
    onHeaderBlock: (_streamId, buffer, offset, length) => {
      let status = 'none';
      hpack.decode(buffer, offset, length, {
        onHeader: (name, value) => {
          if (name === ':status') status = value;
        },
      });
      settle(`status ${status}`);
    },
    onReset: (_streamId, code) => settle(`reset ${errorCodeName(code)}`),
    onGoAway: (_lastStreamId, code) => settle(`goaway ${errorCodeName(code)}`),
  };
}

await Promise.all(Array.from({ length: order.concurrency }, work));
finish(answers);
