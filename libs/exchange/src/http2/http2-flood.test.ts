/** Peers that make us work or hold memory for little: each is told to calm down, or holds no more than the bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ErrorCode, FrameFlag, FrameType, SettingId } from '@ambit/http';
import { EventLoop } from '@ambit/net';

import {
  defaultClientConnectionSettings,
  defaultServerConnectionSettings,
  Http2ClientConnection,
  Http2ServerConnection,
} from '../index.ts';
import { FramePeer } from '../test-support/frames.ts';
import { type MemoryChannel, memoryPair } from '../test-support/memory-channel.ts';
import {
  AnswerLog,
  OwnerLog,
  requestOf,
  RequestLog,
  responseOf,
  type ServedExchange,
} from '../test-support/recorders.ts';

const get = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
] as const;
const nothing = new Uint8Array(0);

interface Rig {
  readonly peer: FramePeer;
  readonly log: RequestLog;
  readonly channel: MemoryChannel;
  settle(): void;
}

function rigOf(onServed: (served: ServedExchange) => void = () => {}, highBytes = 65_536): Rig {
  const loop = new EventLoop();
  const pair = memoryPair(loop, { highBytes });
  const log = new RequestLog(onServed);
  const server = new Http2ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
  assert.equal(server.activeExchanges, 0);
  const peer = new FramePeer(pair.left);
  peer.hello();
  pair.settle();
  return { peer, log, channel: pair.right, settle: pair.settle };
}

const floods: Readonly<Record<string, (peer: FramePeer, round: number) => void>> = {
  'rapid reset, CVE-2023-44487': (peer, round) => {
    peer.headers(round * 2 + 1, get, true);
    peer.reset(round * 2 + 1);
  },
  'resets that we are made to send, CVE-2025-8671': (peer, round) => {
    peer.headers(round * 2 + 1, get, false);
    peer.windowUpdate(round * 2 + 1, 0x7fffffff);
  },
  'SETTINGS, CVE-2019-9515': (peer) => peer.settings([[SettingId.headerTableSize, 100]]),
  'SETTINGS acknowledgements': (peer) => peer.settingsAck(),
  'PING, CVE-2019-9512': (peer) => peer.ping(),
  'empty DATA, CVE-2019-9518': (peer, round) => {
    if (round === 0) peer.headers(1, get, false);
    peer.data(1, '', false);
  },
  'PRIORITY, CVE-2019-9513': (peer) => peer.frame(FrameType.priority, 0, 1, new Uint8Array(5)),
  'unknown frames': (peer) => peer.frame(0xbb, 0, 0, nothing),
  WINDOW_UPDATE: (peer) => peer.windowUpdate(0, 1),
  'empty CONTINUATION, CVE-2024-30255': (peer, round) => {
    if (round === 0) peer.frame(FrameType.headers, 0, 1, peer.block(get));
    peer.frame(FrameType.continuation, 0, 1, nothing);
  },
  'CONTINUATION with fields, CVE-2024-27919': (peer, round) => {
    if (round === 0) peer.frame(FrameType.headers, 0, 1, peer.block(get));
    peer.frame(FrameType.continuation, 0, 1, peer.block([['x', 'y'.repeat(10_000)]]));
  },
  'oversize heads': (peer, round) => {
    const fields = Array.from({ length: 7 }, (_, i) => [`x${i}`, 'y'.repeat(9000)] as const);
    const block = peer.block([...get, ...fields]);
    const id = round * 2 + 1;
    peer.frame(FrameType.headers, FrameFlag.endStream, id, block.subarray(0, 16_000));
    for (let at = 16_000; at < block.length; at += 16_000) {
      const isLast = at + 16_000 >= block.length;
      peer.frame(FrameType.continuation, isLast ? FrameFlag.endHeaders : 0, id, block.subarray(at, at + 16_000));
    }
  },
};

for (const [name, send] of Object.entries(floods)) {
  test(`a flood of ${name} ends the connection`, () => {
    const rig = rigOf();
    for (let round = 0; round < 5000 && rig.peer.goAwayCode === undefined && !rig.peer.isLost; round++) {
      send(rig.peer, round);
      if (round % 50 === 49) rig.settle();
    }
    rig.settle();
    assert.equal(rig.peer.goAwayCode, ErrorCode.enhanceYourCalm);
    assert.ok(rig.peer.isEnded || rig.peer.isLost);
    rig.peer.end();
    rig.settle();
    assert.equal(rig.log.error?.kind, 'overload');
  });
}

test('CVE-2019-9511, CVE-2019-9517: a client that asks and does not read makes us hold a bounded amount, and is not read either', () => {
  const rig = rigOf((served) => {
    const unique = `${rig.log.served.length}-`.repeat(100);
    served.exchange.respond(responseOf(200, { a: unique }), true);
  });
  rig.peer.windowUpdate(0, 0x7fff0000);
  rig.peer.pause();
  for (let id = 1; id < 20_000; id += 2) {
    rig.peer.headers(id, get, true);
    if (id % 199 === 0) rig.settle();
  }
  rig.settle();
  assert.ok(rig.channel.isPaused, 'nothing more is read');
  assert.ok(rig.log.served.length < 2000, `${rig.log.served.length} requests were taken`);
  assert.ok(rig.channel.queuedBytes < 1024 * 1024);
  rig.peer.resume();
  rig.settle();
  assert.equal(rig.log.served.length, 10_000);
});

test('streams without window hold what was written and no more is asked for', () => {
  const rig = rigOf((served) => {
    served.exchange.respond(responseOf(200), false);
    const body = Buffer.alloc(80_000, 'x');
    assert.equal(served.exchange.write(body, 0, body.length), false);
  });
  rig.peer.settings([[SettingId.initialWindowSize, 0]]);
  rig.settle();
  for (let id = 1; id < 200; id += 2) rig.peer.headers(id, get, true);
  rig.settle();
  assert.equal(rig.log.served.length, 100);
  assert.ok(rig.log.served.every((served) => served.writableCount === 0));
  assert.equal(rig.peer.seen(FrameType.data).length, 0);
  rig.peer.windowUpdate(0, 10_000_000);
  for (let id = 1; id < 200; id += 2) rig.peer.windowUpdate(id, 70_000);
  rig.settle();
  assert.ok(rig.log.served.every((served) => served.writableCount === 1));
});

test('a server that floods a client is left, and its exchanges fail', () => {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const owner = new OwnerLog();
  const client = new Http2ClientConnection(pair.left, owner, loop, defaultClientConnectionSettings);
  const server = new FramePeer(pair.right);
  server.settings();
  pair.settle();
  const log = new AnswerLog();
  client.request(requestOf('GET', '/'), true, log);
  for (let round = 0; round < 1000 && log.error === undefined; round++) {
    server.ping();
    if (round % 20 === 0) pair.settle();
  }
  assert.equal(log.error?.kind, 'overload');
  assert.equal(client.isDone, true);
});
