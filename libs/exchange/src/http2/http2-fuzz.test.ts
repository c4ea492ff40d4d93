/** Bytes that no peer should send: whatever comes, a connection goes on or ends, and its exchanges with it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FrameFlag, FrameType } from '@ambit/http';
import { EventLoop } from '@ambit/net';
import fc from 'fast-check';

import {
  defaultClientConnectionSettings,
  defaultServerConnectionSettings,
  Http2ClientConnection,
  Http2ServerConnection,
} from '../index.ts';
import { FramePeer } from '../test-support/frames.ts';
import { memoryPair } from '../test-support/memory-channel.ts';
import { AnswerLog, OwnerLog, requestOf, RequestLog, responseOf } from '../test-support/recorders.ts';

const get = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
] as const;

/** Frames of all kinds, mostly legal ones. */
const frames = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('headers' as const), id: fc.integer({ min: 0, max: 9 }), end: fc.boolean() }),
    fc.record({ kind: fc.constant('data' as const), id: fc.integer({ min: 0, max: 9 }), end: fc.boolean() }),
    fc.record({
      kind: fc.constant('any' as const),
      type: fc.integer({ min: 0, max: 10 }),
      flags: fc.integer({ min: 0, max: 255 }),
      id: fc.integer({ min: 0, max: 9 }),
      payload: fc.uint8Array({ maxLength: 40 }),
    }),
    fc.record({ kind: fc.constant('bytes' as const), payload: fc.uint8Array({ maxLength: 30 }) }),
  ),
  { maxLength: 30 },
);

type Frames = typeof frames extends fc.Arbitrary<infer T> ? T : never;

function send(peer: FramePeer, list: Frames, head: readonly (readonly [string, string])[]): void {
  for (const frame of list) {
    if (frame.kind === 'headers') {
      const flags = FrameFlag.endHeaders | (frame.end ? FrameFlag.endStream : 0);
      peer.frame(FrameType.headers, flags, frame.id, peer.block(head));
    } else if (frame.kind === 'data') {
      peer.data(frame.id, 'some data', frame.end);
    } else if (frame.kind === 'any') {
      peer.frame(frame.type, frame.flags, frame.id, frame.payload);
    } else {
      peer.raw(frame.payload);
    }
  }
}

test('a server survives any frames, and every exchange has one end', () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 3 }), (list, size, behaviour) => {
      const loop = new EventLoop();
      const pair = memoryPair(loop, { cut: () => size });
      const log = new RequestLog((served) => {
        if (behaviour === 1) served.answer(200, 'at once');
        if (behaviour === 2) served.exchange.pause();
        if (behaviour === 3) served.exchange.respond(responseOf(200), false);
      });
      const server = new Http2ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
      const peer = new FramePeer(pair.left);
      peer.hello();
      send(peer, list, get);
      pair.settle();
      for (const served of log.served) served.exchange.resume();
      peer.end();
      pair.settle();
      assert.equal(server.activeExchanges, 0);
      assert.equal(log.isClosed, true);
      if (behaviour !== 1) {
        for (const served of log.served) assert.notEqual(served.error, undefined);
      }
      loop[Symbol.dispose]();
    }),
    { numRuns: 300 },
  );
});

test('a client survives any frames, and every exchange has one end', () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 60 }), (list, size) => {
      const loop = new EventLoop();
      const pair = memoryPair(loop, {}, { cut: () => size });
      const owner = new OwnerLog();
      const client = new Http2ClientConnection(pair.left, owner, loop, defaultClientConnectionSettings);
      const logs = [1, 2, 3].map(() => {
        const log = new AnswerLog();
        client.request(requestOf('GET', '/'), true, log);
        return log;
      });
      const peer = new FramePeer(pair.right);
      peer.settings();
      send(peer, list, [[':status', '200']]);
      pair.settle();
      peer.end();
      pair.settle();
      assert.equal(client.activeExchanges, 0);
      assert.equal(owner.isClosed, true);
      for (const log of logs) assert.notEqual(log.isEnded, log.error !== undefined);
      loop[Symbol.dispose]();
    }),
    { numRuns: 300 },
  );
});
