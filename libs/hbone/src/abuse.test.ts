/** A hostile client over node:tls that writes frames by hand; each flood must end in GOAWAY ENHANCE_YOUR_CALM. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import tls from 'node:tls';

import {
  clientPreface,
  ErrorCode,
  FrameFlag,
  FrameType,
  HpackEncoder,
  writeFrameHeader,
  writePing,
  writeRstStream,
  writeSettings,
  writeWindowUpdate,
} from '@ambit/http';
import fc from 'fast-check';

import { InboundProxy, Rig } from './test-support/rig.ts';

const scratch = Buffer.alloc(256 * 1024);

function frame(type: number, flags: number, streamId: number, payload: Uint8Array | number[] = []): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type, flags, streamId));
  return bytes;
}

function written(length: number): Buffer {
  return Buffer.from(scratch.subarray(0, length));
}

const settings = written(writeSettings(scratch, 0, []));
const ping = written(writePing(scratch, 0, false, new Uint8Array(8), 0));

/** A CONNECT for a port where nobody listens, without using the dynamic table. */
function connect(streamId: number, fields: readonly [string, string][] = []): Buffer {
  const encoder = new HpackEncoder();
  let at = encoder.field(scratch, 0, ':method', 'CONNECT', 'plain');
  at = encoder.field(scratch, at, ':authority', '127.0.0.1:1', 'plain');
  for (const [name, value] of fields) at = encoder.field(scratch, at, name, value, 'plain');
  return frame(FrameType.headers, FrameFlag.endHeaders, streamId, scratch.subarray(0, at));
}

class Attacker {
  readonly socket: tls.TLSSocket;
  received: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  isClosed = false;

  constructor(rig: Rig, port: number) {
    this.socket = tls.connect(rig.tlsOptions(port));
    this.socket.on('error', () => {});
    this.socket.on('close', () => (this.isClosed = true));
    this.socket.on('data', (data: Buffer) => (this.received = Buffer.concat([this.received, data])));
    rig.defer(() => this.socket.destroy());
  }

  /** Type and payload of each frame received. */
  frames(): { type: number; flags: number; streamId: number; payload: Buffer }[] {
    const frames = [];
    for (let at = 0; at + 9 <= this.received.length;) {
      const length = this.received.readUIntBE(at, 3);
      const [type = 0, flags = 0] = this.received.subarray(at + 3);
      frames.push({
        type,
        flags,
        streamId: this.received.readUInt32BE(at + 5),
        payload: this.received.subarray(at + 9, at + 9 + length),
      });
      at += 9 + length;
    }
    return frames;
  }

  goAwayCode(): number | undefined {
    return this.frames()
      .findLast((f) => f.type === FrameType.goAway)
      ?.payload.readUInt32BE(4);
  }
}

async function attack(rig: Rig, limits: Parameters<Rig['server']>[0] = {}): Promise<[Attacker, InboundProxy]> {
  const inbound = new InboundProxy(rig);
  const server = rig.server(limits);
  const port = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  const attacker = new Attacker(rig, port);
  await rig.result(once(attacker.socket, 'secureConnect'), 'handshake');
  attacker.socket.write(clientPreface);
  attacker.socket.write(settings);
  return [attacker, inbound];
}

function repeated(count: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

const floods: [string, Buffer, Partial<Parameters<Rig['server']>[0]>?][] = [
  [
    'rapid reset',
    repeated(1000, (i) =>
      Buffer.concat([connect(i * 2 + 1), written(writeRstStream(scratch, 0, i * 2 + 1, ErrorCode.cancel))]),
    ),
  ],
  ['SETTINGS', repeated(200, () => settings)],
  ['PING', repeated(1000, () => ping)],
  ['empty DATA', Buffer.concat([connect(1), repeated(1000, () => frame(FrameType.data, 0, 1))])],
  [
    'CONTINUATION',
    Buffer.concat([
      frame(FrameType.headers, 0, 1, [0x82]),
      repeated(1000, () => frame(FrameType.continuation, 0, 1, [0x82])),
    ]),
  ],
  ['PRIORITY', repeated(5000, () => frame(FrameType.priority, 0, 1, [0, 0, 0, 3, 0]))],
  ['unknown frames', repeated(5000, () => frame(99, 0, 0))],
  ['WINDOW_UPDATE', repeated(5000, () => written(writeWindowUpdate(scratch, 0, 0, 1)))],
  [
    'resets that the server is made to send, by WINDOW_UPDATE of 0',
    repeated(500, (i) =>
      Buffer.concat([connect(i * 2 + 1), frame(FrameType.windowUpdate, 0, i * 2 + 1, [0, 0, 0, 0])]),
    ),
  ],
  [
    'resets that the server is made to send, by data after the end',
    repeated(500, (i) =>
      Buffer.concat([
        connect(i * 2 + 1),
        frame(FrameType.data, FrameFlag.endStream, i * 2 + 1),
        frame(FrameType.data, 0, i * 2 + 1, [1]),
      ]),
    ),
  ],
  [
    'resets that the server is made to send, by malformed requests',
    repeated(500, (i) => frame(FrameType.headers, 4, i * 2 + 1, [0x82])),
  ],
  [
    'header lists over 64 KiB through the table',
    // One entry of about 4000 bytes, referred to 20 times: 80 KiB of list in 4 KiB of block.
    Buffer.concat(
      Array.from({ length: 100 }, (_, i) => {
        const encoder = new HpackEncoder();
        let at = encoder.field(scratch, 0, ':method', 'CONNECT', 'plain');
        at = encoder.field(scratch, at, 'x', 'y'.repeat(1500), 'index');
        for (let j = 0; j < 60; j++) at = encoder.field(scratch, at, 'x', 'y'.repeat(1500), 'index');
        return frame(FrameType.headers, FrameFlag.endHeaders, i * 2 + 1, scratch.subarray(0, at));
      }),
    ),
  ],
  ['a header block over the limit', Buffer.concat([Buffer.from([2, 0, 1, 1, 4, 0, 0, 0, 1])])],
];

for (const [title, bytes] of floods) {
  test(`a flood ends with ENHANCE_YOUR_CALM: ${title}`, async () => {
    await using rig = new Rig();
    const [attacker, inbound] = await attack(rig);
    inbound.onConnectHook = () => {};
    attacker.socket.write(bytes);
    await rig.until(() => attacker.isClosed && inbound.closed.length === 1, 'close');
    assert.equal(attacker.goAwayCode(), ErrorCode.enhanceYourCalm);
    assert.equal(inbound.closed[0]?.code, 'ABUSE');
  });
}

test('a peer that asks for answers and reads none is disconnected', async () => {
  await using rig = new Rig();
  const budget = { burst: 1e9, perSec: 1e9 };
  const { defaultHboneSettings } = await import('./index.ts');
  const [attacker, inbound] = await attack(rig, { abuse: { ...defaultHboneSettings.abuse, ping: budget } });
  attacker.socket.pause();
  const pings = repeated(10_000, () => ping);
  const writeOn = (): void => {
    if (inbound.closed.length === 0) attacker.socket.write(pings, writeOn);
  };
  writeOn();
  await rig.until(() => inbound.closed.length === 1, 'disconnect');
  assert.equal(inbound.closed[0]?.code, 'ABUSE');
});

test('more streams than 200 are refused one by one', async () => {
  await using rig = new Rig();
  const [attacker, inbound] = await attack(rig);
  inbound.onConnectHook = () => {};
  attacker.socket.write(repeated(210, (i) => connect(i * 2 + 1)));
  await rig.until(() => attacker.frames().filter((f) => f.type === FrameType.rstStream).length === 10, 'refusals');
  for (const reset of attacker.frames().filter((f) => f.type === FrameType.rstStream)) {
    assert.equal(reset.payload.readUInt32BE(0), ErrorCode.refusedStream);
  }
  assert.equal(inbound.requests.length, 200);
});

test('a header list over the limit is answered with 431 and the connection stays usable', async () => {
  await using rig = new Rig();
  const [attacker, inbound] = await attack(rig);
  attacker.socket.write(
    connect(1, [
      ['a', 'x'.repeat(40_000)],
      ['b', 'y'.repeat(40_000)],
    ]),
  );
  attacker.socket.write(connect(3));
  await rig.until(() => attacker.frames().filter((f) => f.type === FrameType.headers).length === 2, 'answers');
  const [first, second] = attacker.frames().filter((f) => f.type === FrameType.headers);
  assert.equal(first?.payload.toString('latin1').includes('431'), true);
  assert.equal(second?.payload.toString('latin1').includes('503'), true);
  assert.equal(inbound.requests.length, 1);
});

test('a peer that overruns the connection window is disconnected with FLOW_CONTROL_ERROR', async () => {
  await using rig = new Rig();
  const [attacker, inbound] = await attack(rig, { connectionWindowBytes: 100_000, streamWindowBytes: 60_000 });
  inbound.onConnectHook = () => {};
  const data = Buffer.alloc(30_000);
  attacker.socket.write(Buffer.concat([connect(1), connect(3), connect(5)]));
  for (const id of [1, 3, 5]) attacker.socket.write(repeated(2, () => frame(FrameType.data, 0, id, data)));
  await rig.until(() => attacker.isClosed, 'close');
  assert.equal(attacker.goAwayCode(), ErrorCode.flowControlError);
});

test('a peer that overruns a stream window loses that stream only', async () => {
  await using rig = new Rig();
  const [attacker, inbound] = await attack(rig, { streamWindowBytes: 10_000 });
  inbound.onConnectHook = () => {};
  attacker.socket.write(Buffer.concat([connect(1), frame(FrameType.data, 0, 1, Buffer.alloc(10_001)), ping]));
  await rig.until(() => attacker.frames().some((f) => f.type === FrameType.ping), 'PING answer');
  const reset = attacker.frames().find((f) => f.type === FrameType.rstStream);
  assert.equal(reset?.payload.readUInt32BE(0), ErrorCode.flowControlError);
});

test('a window over 2^31-1 is an error of its stream, or of the connection', async () => {
  await using rig = new Rig();
  const [attacker, inbound] = await attack(rig);
  inbound.onConnectHook = () => {};
  attacker.socket.write(Buffer.concat([connect(1), written(writeWindowUpdate(scratch, 0, 1, 0x7fffffff))]));
  await rig.until(() => attacker.frames().some((f) => f.type === FrameType.rstStream), 'stream error');
  attacker.socket.write(written(writeWindowUpdate(scratch, 0, 0, 0x7fffffff)));
  await rig.until(() => attacker.isClosed, 'close');
  assert.equal(attacker.goAwayCode(), ErrorCode.flowControlError);
});

test('mutated sessions never end in anything but frames and an orderly close', async () => {
  await using rig = new Rig();
  const inbound = new InboundProxy(rig);
  const server = rig.server();
  const echo = await rig.application((socket) => socket.pipe(socket));
  const port = rig.listen((fd) => server.acceptPlaintextForTests(fd, inbound));
  const encoder = new HpackEncoder();
  let at = encoder.field(scratch, 0, ':method', 'CONNECT', 'plain');
  at = encoder.field(scratch, at, ':authority', `127.0.0.1:${echo}`, 'plain');
  const session = Buffer.concat([
    Buffer.from(clientPreface),
    settings,
    frame(FrameType.headers, FrameFlag.endHeaders, 1, Buffer.from(scratch.subarray(0, at))),
    frame(FrameType.data, 0, 1, Buffer.from('hello')),
    ping,
    frame(FrameType.headers, FrameFlag.endHeaders | FrameFlag.endStream, 3, [0x82, 0x86, 0x84, 0x41, 1, 0x78]),
    frame(FrameType.data, FrameFlag.endStream, 1, Buffer.from('bye')),
    frame(FrameType.rstStream, 0, 1, [0, 0, 0, 8]),
  ]);
  const { connect: dial } = await import('node:net');
  const mutations = fc.sample(
    fc.array(fc.tuple(fc.integer({ min: 24, max: session.length - 1 }), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 5,
    }),
    { seed: 15_008, numRuns: 300 },
  );
  let closed = 0;
  for (const changes of mutations) {
    const bytes = Buffer.from(session);
    for (const [position, value] of changes) bytes[position] = value;
    const socket = dial(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', () => closed++);
    socket.resume();
    socket.end(bytes);
  }
  await rig.until(() => closed === mutations.length, 'all sessions');
  await rig.until(() => server.connectionCount === 0, 'no connection left');
});
