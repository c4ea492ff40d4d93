import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  clientPreface,
  defaultFrameDecoderLimits,
  FrameDecoder,
  FrameFlag,
  FrameType,
  Http2Error,
  writeFrameHeader,
  writeGoAway,
  writeHeaderBlock,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from './index.ts';
import type { FrameDecoderLimits, FrameSink } from './index.ts';

/** Writes down what it is told; DATA pieces of one frame are joined, so that any cut of the input gives one record. */
class Recorder implements FrameSink {
  readonly events: string[] = [];
  #data = '';

  #add(event: string): void {
    if (this.#data !== '') this.events.push(`data ${this.#data}`);
    this.#data = '';
    this.events.push(event);
  }
  onDataFrame(streamId: number, flowBytes: number, endStream: boolean): void {
    this.#add(`dataFrame ${streamId} ${flowBytes} ${endStream}`);
  }
  onData(_streamId: number, buffer: Uint8Array, offset: number, length: number): void {
    assert.ok(length > 0);
    this.#data += Buffer.from(buffer.subarray(offset, offset + length)).toString('hex');
  }
  onDataPadding(streamId: number, bytes: number): void {
    this.#add(`padding ${streamId} ${bytes}`);
  }
  onDataEnd(streamId: number): void {
    this.#add(`dataEnd ${streamId}`);
  }
  onHeaderBlock(streamId: number, buffer: Uint8Array, offset: number, length: number, endStream: boolean): void {
    this.#add(
      `headers ${streamId} ${Buffer.from(buffer.subarray(offset, offset + length)).toString('hex')} ${endStream}`,
    );
  }
  onPriority(streamId: number): void {
    this.#add(`priority ${streamId}`);
  }
  onReset(streamId: number, code: number): void {
    this.#add(`reset ${streamId} ${code}`);
  }
  onSetting(id: number, value: number): void {
    this.#add(`setting ${id}=${value}`);
  }
  onSettingsEnd(): void {
    this.#add('settingsEnd');
  }
  onSettingsAck(): void {
    this.#add('settingsAck');
  }
  onPing(ack: boolean, buffer: Uint8Array, offset: number): void {
    this.#add(`ping ${ack} ${Buffer.from(buffer.subarray(offset, offset + 8)).toString('hex')}`);
  }
  onGoAway(lastStreamId: number, code: number): void {
    this.#add(`goAway ${lastStreamId} ${code}`);
  }
  onWindowUpdate(streamId: number, increment: number): void {
    this.#add(`windowUpdate ${streamId} ${increment}`);
  }
  onStreamError(error: Http2Error): void {
    this.#add(`streamError ${error.streamId} ${error.code}`);
  }
  onUnknownFrame(type: number): void {
    this.#add(`unknown ${type}`);
  }
}

function frame(type: number, flags: number, streamId: number, payload: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type, flags, streamId));
  return bytes;
}

function written(write: (target: Uint8Array) => number): Uint8Array {
  const target = new Uint8Array(65_536);
  return target.slice(0, write(target));
}

const settings = frame(FrameType.settings, 0, 0);

function run(
  pieces: readonly Uint8Array[],
  limits: FrameDecoderLimits = defaultFrameDecoderLimits,
  role: 'server' | 'client' = 'client',
): string[] {
  const recorder = new Recorder();
  const decoder = new FrameDecoder(role, recorder, limits);
  for (const piece of pieces) decoder.push(piece, 0, piece.length);
  return recorder.events.slice(role === 'client' ? 1 : 0);
}

const everyKind: Uint8Array[] = [
  settings,
  written((t) =>
    writeSettings(t, 0, [
      [4, 4_194_304],
      [5, 1_048_576],
      [77, 1],
    ]),
  ),
  written((t) => writeSettingsAck(t, 0)),
  written((t) =>
    writeHeaderBlock(
      t,
      0,
      1,
      Uint8Array.from({ length: 40 }, (_, i) => i),
      40,
      false,
      16,
    ),
  ),
  frame(
    FrameType.headers,
    FrameFlag.endHeaders | FrameFlag.endStream | FrameFlag.padded | FrameFlag.priority,
    3,
    [2, 0, 0, 0, 1, 9, 0xaa, 0xbb, 0, 0],
  ),
  frame(FrameType.data, 0, 1, [1, 2, 3]),
  frame(FrameType.data, FrameFlag.padded, 1, [2, 7, 8, 0, 0]),
  frame(FrameType.data, FrameFlag.padded | FrameFlag.endStream, 1, [1, 0]),
  frame(FrameType.data, FrameFlag.endStream, 1),
  frame(FrameType.priority, 0, 3, [0, 0, 0, 1, 0]),
  frame(FrameType.priority, 0, 3, [0, 0, 0, 3, 0]),
  frame(FrameType.priority, 0, 3, [0]),
  written((t) => writeRstStream(t, 0, 3, 0xfffffffe)),
  written((t) => writePing(t, 0, true, Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]), 0)),
  written((t) => writeGoAway(t, 0, 0x7fffffff, 2)),
  frame(FrameType.goAway, 0, 0, [0, 0, 0, 1, 0, 0, 0, 11, 65, 66]),
  written((t) => writeWindowUpdate(t, 0, 0, 0x7fffffff)),
  frame(FrameType.windowUpdate, 0, 5, [0, 0, 0, 0]),
  frame(200, 255, 7, [1, 2, 3]),
  frame(201, 0, 0),
];
const everyKindEvents = [
  'setting 4=4194304',
  'setting 5=1048576',
  'setting 77=1',
  'settingsEnd',
  'settingsAck',
  `headers 1 ${Buffer.from(Array.from({ length: 40 }, (_, i) => i)).toString('hex')} false`,
  'headers 3 aabb true',
  'dataFrame 1 3 false',
  'data 010203',
  'dataFrame 1 5 false',
  'padding 1 3',
  'data 0708',
  'dataFrame 1 2 true',
  'padding 1 2',
  'dataEnd 1',
  'dataFrame 1 0 true',
  'dataEnd 1',
  'priority 3',
  'streamError 3 1',
  'streamError 3 6',
  'reset 3 4294967294',
  'ping true 0102030405060708',
  'goAway 2147483647 2',
  'goAway 1 11',
  'windowUpdate 0 2147483647',
  'streamError 5 1',
  'unknown 200',
  'unknown 201',
];

test('every kind of frame is understood, whole or a byte at a time', () => {
  const all = Buffer.concat(everyKind);
  assert.deepEqual(run([all]), everyKindEvents);
  assert.deepEqual(run(Array.from(all, (byte) => Uint8Array.of(byte))), everyKindEvents);
});

test('any cut of the input gives the same events', () => {
  const all = Buffer.concat(everyKind);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: all.length - 1 }), { maxLength: 20 }), (cuts) => {
      const points = [0, ...cuts.toSorted((a, b) => a - b), all.length];
      const pieces = points.slice(1).map((to, i) => all.subarray(points[i] ?? 0, to));
      assert.deepEqual(run(pieces), everyKindEvents);
    }),
    { seed: 9113, numRuns: 500 },
  );
});

test('a server wants the preface and then SETTINGS', () => {
  const preface = Buffer.from(clientPreface);
  assert.deepEqual(run([Buffer.concat([preface, settings])], defaultFrameDecoderLimits, 'server'), ['settingsEnd']);
  assert.throws(() => run([Buffer.from('GET / HTTP/1.1\r\n')], defaultFrameDecoderLimits, 'server'), /preface/);
  const ping = frame(FrameType.ping, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.throws(() => run([Buffer.concat([preface, ping])], defaultFrameDecoderLimits, 'server'), /first frame/);
  assert.throws(() => run([written((t) => writeSettingsAck(t, 0))]), /first frame/);
});

const headersStart = frame(FrameType.headers, 0, 1, [0x82]);
const refused: [string, Uint8Array[], number][] = [
  ['a frame over the advertised size', [Uint8Array.of(0, 0x40, 1, 0, 0, 0, 0, 0, 1)], 6],
  ['DATA on stream 0', [frame(FrameType.data, 0, 0, [1])], 1],
  ['HEADERS on stream 0', [frame(FrameType.headers, 4, 0, [1])], 1],
  ['SETTINGS on a stream', [frame(FrameType.settings, 0, 1)], 1],
  ['PING on a stream', [frame(FrameType.ping, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0])], 1],
  ['GOAWAY on a stream', [frame(FrameType.goAway, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0])], 1],
  ['PUSH_PROMISE', [frame(FrameType.pushPromise, 4, 1, [0, 0, 0, 2])], 1],
  ['CONTINUATION without HEADERS', [frame(FrameType.continuation, 4, 1)], 1],
  ['another frame inside a header block', [headersStart, frame(FrameType.data, 0, 1, [1])], 1],
  ['CONTINUATION of another stream', [headersStart, frame(FrameType.continuation, 4, 3)], 1],
  ['an unknown frame inside a header block', [headersStart, frame(99, 0, 1)], 1],
  ['a PING of 7 bytes', [frame(FrameType.ping, 0, 0, [0, 0, 0, 0, 0, 0, 0])], 6],
  ['a RST_STREAM of 5 bytes', [frame(FrameType.rstStream, 0, 1, [0, 0, 0, 0, 0])], 6],
  ['a WINDOW_UPDATE of 3 bytes', [frame(FrameType.windowUpdate, 0, 1, [0, 0, 0])], 6],
  ['a WINDOW_UPDATE of 0 on the connection', [frame(FrameType.windowUpdate, 0, 0, [0, 0, 0, 0])], 1],
  ['a SETTINGS of 5 bytes', [frame(FrameType.settings, 0, 0, [0, 0, 0, 0, 0])], 6],
  ['a SETTINGS ACK with payload', [frame(FrameType.settings, 1, 0, [0, 4, 0, 0, 0, 0])], 6],
  ['padding as long as DATA', [frame(FrameType.data, FrameFlag.padded, 1, [1])], 1],
  ['padded DATA without pad length', [frame(FrameType.data, FrameFlag.padded, 1)], 6],
  ['padding longer than HEADERS', [frame(FrameType.headers, FrameFlag.padded | 4, 1, [9, 1])], 1],
  ['a HEADERS that depends on itself', [frame(FrameType.headers, FrameFlag.priority | 4, 1, [0, 0, 0, 1, 0])], 1],
  ['an initial window over 2^31-1', [frame(FrameType.settings, 0, 0, [0, 4, 0x80, 0, 0, 0])], 3],
  ['a max frame size of 16383', [frame(FrameType.settings, 0, 0, [0, 5, 0, 0, 0x3f, 0xff])], 1],
  ['ENABLE_PUSH from a server', [frame(FrameType.settings, 0, 0, [0, 2, 0, 0, 0, 1])], 1],
];
for (const [title, frames, code] of refused) {
  test(`the decoder refuses ${title}`, () => {
    for (const pieces of [
      [settings, ...frames],
      Array.from(Buffer.concat([settings, ...frames]), (b) => Uint8Array.of(b)),
    ]) {
      assert.throws(
        () => run(pieces),
        (error) => error instanceof Http2Error && error.code === code && error.isConnectionError,
      );
    }
  });
}

test('floods of CONTINUATION and over-long header blocks end before they are kept', () => {
  const small = { ...defaultFrameDecoderLimits, maxHeaderBlockBytes: 100, maxContinuationFrames: 5 };
  const empties = Array.from({ length: 6 }, () => frame(FrameType.continuation, 0, 1));
  assert.throws(() => run([settings, headersStart, ...empties], small), /CONTINUATION/);
  const fifty = frame(
    FrameType.continuation,
    0,
    1,
    Array.from({ length: 50 }, () => 0),
  );
  assert.throws(() => run([settings, headersStart, fifty, fifty.subarray(0, 9)], small), /header block/);
  assert.throws(() => run([settings, Uint8Array.of(0, 0, 101, 1, 4, 0, 0, 0, 1)], small), /header block/);
});

test('stop ends the push under way', () => {
  const recorder = new Recorder();
  const decoder = new FrameDecoder('client', recorder);
  recorder.onSettingsEnd = () => decoder.stop();
  const all = Buffer.concat(everyKind);
  decoder.push(all, 0, all.length);
  assert.deepEqual(recorder.events, []);
});

test('mutated and truncated input never breaks the decoder', () => {
  const all = Buffer.concat(everyKind);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(all.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.nat(all.length),
      (mutations, length) => {
        const bytes = Buffer.from(all);
        for (const [at, value] of mutations) bytes[at] = value;
        try {
          run([bytes.subarray(0, length)]);
        } catch (error) {
          assert.ok(error instanceof Http2Error);
        }
      },
    ),
    { seed: 2, numRuns: 4000 },
  );
});
