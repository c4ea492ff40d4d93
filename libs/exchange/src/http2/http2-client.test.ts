import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ErrorCode, FrameType, SettingId } from '@ambit/http';
import { EventLoop } from '@ambit/net';

import {
  type ClientExchange,
  defaultClientConnectionSettings,
  Http2ClientConnection,
  type RequestHead,
} from '../index.ts';
import { FramePeer } from '../test-support/frames.ts';
import { memoryPair } from '../test-support/memory-channel.ts';
import { AnswerLog, entriesOf, OwnerLog, requestOf } from '../test-support/recorders.ts';

class Rig {
  readonly loop: EventLoop = new EventLoop();
  readonly owner = new OwnerLog();
  readonly client: Http2ClientConnection;
  readonly peer: FramePeer;
  readonly settle: () => void;

  constructor(settings: readonly (readonly [number, number])[] = []) {
    const pair = memoryPair(this.loop);
    this.settle = pair.settle;
    this.client = new Http2ClientConnection(pair.left, this.owner, this.loop, defaultClientConnectionSettings);
    // The preface is no frame for the peer: it is skipped by its length.
    const { right } = pair;
    this.peer = new FramePeer({
      attach: (user) => {
        let skip = 24;
        right.attach({
          onBytes: (buffer, offset, length) => {
            const drop = Math.min(skip, length);
            skip -= drop;
            if (length > drop) user.onBytes(buffer, offset + drop, length - drop);
          },
          onEnd: () => user.onEnd(),
          onWritable: () => user.onWritable(),
          onLost: (error) => user.onLost(error),
        });
      },
      write: (buffer, offset, length) => right.write(buffer, offset, length),
      flush: () => right.flush(),
      end: () => right.end(),
      pause: () => right.pause(),
      resume: () => right.resume(),
      close: () => right.close(),
      get queuedBytes() {
        return right.queuedBytes;
      },
    });
    this.peer.settings(settings);
    this.settle();
  }

  begin(
    head: RequestHead = requestOf('GET', '/'),
    isEnd = true,
  ): { readonly log: AnswerLog; readonly exchange: ClientExchange } {
    const log = new AnswerLog();
    const exchange = this.client.request(head, isEnd, log);
    this.settle();
    return { log, exchange };
  }
}

const ok = [[':status', '200']] as const;

test('an answer is a head, a body and trailers', () => {
  const rig = new Rig();
  const { log } = rig.begin();
  rig.peer.headers(
    1,
    [
      [':status', '103'],
      ['link', 'a'],
    ],
    false,
  );
  rig.peer.headers(1, [...ok, ['x', 'y'], ['content-length', '4']], false);
  rig.peer.data(1, 'bo', false);
  rig.peer.data(1, 'dy', false);
  rig.peer.headers(1, [['t', '1']], true);
  rig.settle();
  assert.deepEqual([log.informational, log.head?.status, log.head?.contentLength], [[103], 200, 4]);
  assert.deepEqual(
    [entriesOf(log.head?.fields), log.body, entriesOf(log.trailers), log.isEnded],
    [['x: y'], 'body', ['t: 1'], true],
  );
  assert.equal(rig.client.activeExchanges, 0);
});

test('malformed answers fail the exchange and not the connection', () => {
  const cases: Readonly<Record<string, (peer: FramePeer, id: number) => void>> = {
    'no status': (peer, id) => peer.headers(id, [['x', 'y']], true),
    'request pseudo field': (peer, id) => peer.headers(id, [...ok, [':path', '/']], true),
    '101': (peer, id) => peer.headers(id, [[':status', '101']], false),
    'connection field': (peer, id) => peer.headers(id, [...ok, ['connection', 'close']], true),
    'transfer-encoding': (peer, id) => peer.headers(id, [...ok, ['transfer-encoding', 'chunked']], true),
    CRLF: (peer, id) => peer.headers(id, [...ok, ['x', 'a\r\nb']], true),
    'DATA first': (peer, id) => peer.data(id, 'x', true),
    'informational end': (peer, id) => peer.headers(id, [[':status', '100']], true),
    'pseudo field in trailers': (peer, id) => {
      peer.headers(id, ok, false);
      peer.headers(id, ok, true);
    },
    'short body': (peer, id) => {
      peer.headers(id, [...ok, ['content-length', '4']], false);
      peer.data(id, 'abc', true);
    },
    'long body': (peer, id) => {
      peer.headers(id, [...ok, ['content-length', '2']], false);
      peer.data(id, 'abc', true);
    },
    'no body': (peer, id) => peer.headers(id, [...ok, ['content-length', '2']], true),
  };
  const rig = new Rig();
  let id = 1;
  for (const [name, send] of Object.entries(cases)) {
    const { log } = rig.begin();
    send(rig.peer, id);
    rig.settle();
    assert.equal(log.error?.kind, 'protocol', name);
    assert.equal(rig.peer.resetCode(id), ErrorCode.protocolError, name);
    id += 2;
  }
  const { log } = rig.begin();
  rig.peer.headers(id, ok, true);
  rig.settle();
  assert.equal(log.isEnded, true);
});

test('an answer to HEAD has a length and no body', () => {
  const rig = new Rig();
  const { log } = rig.begin(requestOf('HEAD', '/'));
  rig.peer.headers(1, [...ok, ['content-length', '4']], true);
  rig.settle();
  assert.deepEqual([log.head?.contentLength, log.isEnded, log.error], [4, true, undefined]);
});

test('a reset says whether the request may be repeated', () => {
  const rig = new Rig();
  const refused = rig.begin();
  rig.peer.reset(1, ErrorCode.refusedStream);
  const reset = rig.begin();
  rig.peer.reset(3, ErrorCode.internalError);
  rig.settle();
  assert.equal(refused.log.error?.kind, 'refused');
  assert.deepEqual([reset.log.error?.kind, reset.log.error?.http2Code], ['reset', ErrorCode.internalError]);
});

test('an answer that is complete is taken to its end, also when the server then gives up the rest of the request', () => {
  const rig = new Rig();
  const { log, exchange } = rig.begin(requestOf('POST', '/'), false);
  exchange.pause();
  rig.peer.headers(1, ok, false);
  rig.peer.data(1, 'body', false);
  rig.peer.headers(1, [['t', '1']], true);
  rig.peer.reset(1, ErrorCode.noError);
  rig.settle();
  assert.deepEqual([log.body, log.isEnded, rig.client.activeExchanges], ['', false, 0]);
  exchange.resume();
  rig.settle();
  assert.deepEqual([log.body, entriesOf(log.trailers), log.isEnded, log.error], ['body', ['t: 1'], true, undefined]);
  assert.equal(rig.peer.resetCode(1), undefined);
});

test('GOAWAY refuses what is above its last stream and lets the others end', () => {
  const rig = new Rig();
  const first = rig.begin();
  const second = rig.begin();
  rig.peer.goAway(1);
  rig.settle();
  assert.equal(second.log.error?.kind, 'refused');
  assert.equal(first.log.error, undefined);
  assert.deepEqual([rig.client.isDone, rig.client.capacity], [true, 0]);
  assert.equal(rig.begin().log.error?.kind, 'refused');
  rig.peer.headers(1, ok, true);
  rig.settle();
  assert.equal(first.log.isEnded, true);
  assert.equal(rig.peer.isEnded, true);
  rig.peer.end();
  rig.settle();
  assert.deepEqual([rig.owner.isClosed, rig.owner.error], [true, undefined]);
});

test('capacity follows the server and the streams that run', () => {
  const rig = new Rig([[SettingId.maxConcurrentStreams, 2]]);
  assert.equal(rig.client.capacity, 2);
  rig.begin();
  rig.begin();
  assert.equal(rig.client.capacity, 0);
  const calls = rig.owner.capacityCalls;
  rig.peer.headers(1, ok, true);
  rig.settle();
  assert.equal(rig.client.capacity, 1);
  assert.ok(rig.owner.capacityCalls > calls);
  rig.peer.settings([[SettingId.maxConcurrentStreams, 0]]);
  rig.settle();
  assert.deepEqual([rig.client.capacity, rig.client.isDone], [0, false]);
});

test('a lost connection fails its exchanges; a quiet end without any is none', () => {
  const rig = new Rig();
  const { log } = rig.begin();
  rig.peer.end();
  rig.settle();
  assert.equal(log.error?.kind, 'lost');
  assert.equal(rig.owner.error?.kind, 'lost');
  const quiet = new Rig();
  quiet.peer.end();
  quiet.settle();
  assert.deepEqual([quiet.owner.isClosed, quiet.owner.error], [true, undefined]);
});

test('extended CONNECT needs a server that takes it', () => {
  const head = requestOf('GET', '/chat', { upgrade: 'websocket' });
  const without = new Rig();
  assert.equal(without.begin(head, false).log.error?.kind, 'protocol');
  const rig = new Rig([[SettingId.enableConnectProtocol, 1]]);
  assert.equal(rig.client.takesUpgrade, true);
  rig.begin(head, false);
  assert.equal(rig.peer.seen(FrameType.headers).length, 1);
});

test('a server that answers early stops the rest of the request', () => {
  const rig = new Rig();
  const { log, exchange } = rig.begin(requestOf('POST', '/', { hasBody: true, contentLength: undefined }), false);
  rig.peer.headers(1, [[':status', '413']], true);
  rig.settle();
  assert.deepEqual([log.head?.status, log.isEnded], [413, true]);
  assert.equal(rig.peer.resetCode(1), ErrorCode.cancel);
  exchange.write(Buffer.from('x'), 0, 1);
  exchange.end();
  rig.settle();
  assert.equal(rig.peer.dataOf(1), '');
});

test('a PING that is not answered ends the connection', () => {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const owner = new OwnerLog();
  const http2 = { ...defaultClientConnectionSettings.http2, pingIntervalMs: 5, pingTimeoutMs: 5 };
  const client = new Http2ClientConnection(pair.left, owner, loop, { ...defaultClientConnectionSettings, http2 });
  const deadline = performance.now() + 5000;
  while (!owner.isClosed && performance.now() < deadline) loop.runOnce(5);
  assert.deepEqual([owner.error?.kind, client.isDone], ['timeout', true]);
});
