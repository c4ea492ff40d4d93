/** What a server says to frames that no decent client sends, and to clients that HTTP/1.1 behind it must be protected from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ErrorCode, FrameFlag, FrameType, SettingId } from '@ambit/http';
import { EventLoop } from '@ambit/net';

import {
  defaultHttp2Settings,
  defaultServerConnectionSettings,
  Http2ServerConnection,
  type Http2Settings,
} from '../index.ts';
import { FramePeer } from '../test-support/frames.ts';
import { memoryPair } from '../test-support/memory-channel.ts';
import { entriesOf, fieldsOf, RequestLog, responseOf, type ServedExchange } from '../test-support/recorders.ts';

type Fields = readonly (readonly [string, string])[];

const get: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
];
const post: Fields = [[':method', 'POST'], ...get.slice(1)];
/** `get` with one pseudo field changed. */
const having = (name: string, value: string): Fields => get.map((field) => (field[0] === name ? [name, value] : field));

class Rig {
  readonly loop: EventLoop = new EventLoop();
  readonly log: RequestLog;
  readonly server: Http2ServerConnection;
  readonly peer: FramePeer;
  readonly queuedBytes: () => number;
  readonly settle: () => void;

  constructor(onServed?: (served: ServedExchange) => void, http2: Partial<Http2Settings> = {}) {
    const pair = memoryPair(this.loop);
    this.settle = pair.settle;
    this.log = new RequestLog(onServed);
    const settings = { ...defaultServerConnectionSettings, http2: { ...defaultHttp2Settings, ...http2 } };
    this.server = new Http2ServerConnection(pair.right, this.log, this.loop, settings);
    this.queuedBytes = () => pair.right.queuedBytes;
    this.peer = new FramePeer(pair.left);
    this.peer.hello();
    this.settle();
  }

  request(fields: Fields, isEnd = true, streamId = 1): void {
    this.peer.headers(streamId, fields, isEnd);
    this.settle();
  }
}

test('a request is a head with its pseudo fields apart', () => {
  const rig = new Rig();
  rig.request(
    [
      ...having(':path', '/p?q'),
      ['cookie', 'a=1'],
      ['x', 'y'],
      ['cookie', 'b=2'],
      ['host', 'other.test'],
      ['te', 'trailers'],
    ],
    false,
  );
  const { head } = rig.log.served[0]?.exchange ?? assert.fail('no request');
  assert.equal(`${head.method} ${head.scheme} ${head.authority} ${head.target}`, 'GET http a.test /p?q');
  assert.deepEqual(entriesOf(head.fields), ['cookie: a=1; b=2', 'x: y', 'te: trailers']);
  assert.deepEqual([head.contentLength, head.hasBody, head.protocol], [undefined, true, 'HTTP/2']);
});

test('host stands in for a missing :authority', () => {
  const rig = new Rig();
  rig.request([...get.slice(0, 3), ['host', 'h.test']]);
  assert.equal(rig.log.served[0]?.exchange.head.authority, 'h.test');
});

test('requests that could become something else in HTTP/1.1 are reset', () => {
  const cases: readonly (readonly [string, Fields])[] = [
    ['H2.TE', [...post, ['transfer-encoding', 'chunked']]],
    ['connection', [...get, ['connection', 'close']]],
    ['te', [...get, ['te', 'gzip']]],
    ['upper case', [...get, ['X-A', 'b']]],
    ['CRLF in a value', [...get, ['x', 'a\r\ncontent-length: 5']]],
    ['LF in a value', [...get, ['x', 'a\nb']]],
    ['NUL in a value', [...get, ['x', 'a\0b']]],
    ['CRLF in a name', [...get, ['x\r\ny', 'a']]],
    ['colon in a name', [...get, ['x:y', 'a']]],
    ['blank around a value', [...get, ['x', ' a']]],
    ['space in :path', having(':path', '/a HTTP/1.1')],
    ['CRLF in :path', having(':path', '/a\r\nx: y')],
    ['octet above ASCII in :path', having(':path', '/\xe9')],
    ['no slash', having(':path', 'a')],
    ['absolute :path', having(':path', 'http://b.test/')],
    ['* with GET', having(':path', '*')],
    ['empty :path', having(':path', '')],
    ['space in :method', having(':method', 'GET / HTTP/1.1')],
    ['lines in :method', having(':method', 'GET\r\n')],
    ['other :scheme', having(':scheme', 'ftp')],
    ['path in :authority', having(':authority', 'a.test/x')],
    ['user in :authority', having(':authority', 'u@a.test')],
    ['empty :authority', having(':authority', '')],
    ['two hosts', [...get, ['host', 'a'], ['host', 'b']]],
    ['empty host', [...get, ['host', '']]],
    ['no authority at all', get.slice(0, 3)],
    ['pseudo after field', [...get.slice(0, 3), ['x', 'y'], [':authority', 'a.test']]],
    ['repeated :path', [...get, [':path', '/b']]],
    ['unknown pseudo', [...get, [':foo', 'b']]],
    ['two lengths', [...post, ['content-length', '1'], ['content-length', '1']]],
    ['signed length', [...post, ['content-length', '+1']]],
    ['length and no body', [...post, ['content-length', '1']]],
    ['protocol without CONNECT', [...get, [':protocol', 'websocket']]],
  ];
  for (const [name, fields] of cases) {
    const rig = new Rig((served) => served.answer(200));
    rig.request(fields);
    assert.equal(rig.peer.resetCode(1), ErrorCode.protocolError, name);
    assert.equal(rig.log.served.length, 0, name);
    rig.request(get, true, 3);
    assert.equal(rig.log.served.length, 1, `${name}: the connection goes on`);
  }
});

test('H2.CL: DATA must be as long as content-length says', () => {
  for (const parts of [['abc'], ['ab', 'cdef'], ['abcdef'], ['']] as const) {
    const rig = new Rig();
    rig.request([...post, ['content-length', '5']], false);
    for (const [index, part] of parts.entries()) rig.peer.data(1, part, index === parts.length - 1);
    rig.settle();
    assert.equal(rig.peer.resetCode(1), ErrorCode.protocolError, parts.join('|'));
    assert.equal(rig.log.served[0]?.error?.kind, 'protocol');
    assert.equal(rig.log.served[0]?.isEnded, false);
  }
});

test('a client that sends after its end, or to a stream it closed, gets STREAM_CLOSED', () => {
  const rig = new Rig();
  rig.request(get);
  rig.peer.data(1, 'x', false);
  rig.settle();
  assert.equal(rig.peer.resetCode(1), ErrorCode.streamClosed);
});

test('streams over the limit are refused', () => {
  const rig = new Rig(undefined, { maxStreams: 2 });
  for (const id of [1, 3, 5]) rig.request(get, true, id);
  assert.equal(rig.peer.resetCode(5), ErrorCode.refusedStream);
  assert.equal(rig.log.served.length, 2);
  rig.log.served[0]?.answer(200);
  rig.settle();
  rig.request(get, true, 7);
  assert.equal(rig.log.served.length, 3);
});

test('a client that does not know the limit yet is not taken for a flood', () => {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const log = new RequestLog();
  const server = new Http2ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
  const peer = new FramePeer(pair.left);
  peer.hello();
  for (let id = 1; id < 800; id += 2) peer.headers(id, get, true);
  pair.settle();
  assert.equal(server.activeExchanges, 100);
  assert.equal(peer.seen(FrameType.rstStream).length, 300);
  assert.equal(peer.goAwayCode, undefined);
  peer.settingsAck();
  for (let id = 801; id < 1600; id += 2) peer.headers(id, get, true);
  pair.settle();
  assert.equal(peer.goAwayCode, ErrorCode.enhanceYourCalm);
});

test('crumbs of a cookie count as one field', () => {
  const rig = new Rig(undefined, { maxFields: 10 });
  rig.request([...get, ...Array.from({ length: 50 }, (_, i) => ['cookie', `c${i}=v`] as const)]);
  assert.equal(rig.log.served[0]?.exchange.head.fields.length, 1);
});

test('a header list over the limit is answered 431, and the table stays in step', () => {
  const rig = new Rig((served) => served.answer(200), { maxHeaderListBytes: 2000, maxFields: 20 });
  rig.request([...get, ['x', 'y'.repeat(3000)]]);
  rig.request([...get, ...Array.from({ length: 21 }, (_, i) => [`x${i}`, 'y'] as const)], true, 3);
  rig.request(get, true, 5);
  assert.equal(rig.log.served.length, 1);
  assert.equal(rig.peer.seen(FrameType.headers).length, 3);
});

test('extended CONNECT is refused unless announced', () => {
  const connect: Fields = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1)];
  const strict = new Rig();
  strict.request(connect, false);
  assert.equal(strict.peer.resetCode(1), ErrorCode.protocolError);
  const rig = new Rig(undefined, { acceptsExtendedConnect: true });
  const announced = rig.peer.seen(FrameType.settings)[0]?.payload ?? Buffer.alloc(0);
  assert.ok(announced.includes(Buffer.from([0, SettingId.enableConnectProtocol, 0, 0, 0, 1])));
  rig.request(connect, false);
  const { head } = rig.log.served[0]?.exchange ?? assert.fail('no request');
  assert.deepEqual([head.method, head.upgrade, head.target], ['CONNECT', 'websocket', '/']);
});

test('the rest of a request is not wanted after the answer', () => {
  const rig = new Rig((served) => served.answer(403, 'no'));
  rig.request(post, false);
  assert.equal(rig.peer.dataOf(1), 'no');
  assert.equal(rig.peer.resetCode(1), ErrorCode.noError);
  rig.peer.data(1, 'late', true);
  rig.settle();
  assert.equal(rig.peer.goAwayCode, undefined);
});

test('an answer of another length than announced is reset', () => {
  for (const length of [2, 5]) {
    const rig = new Rig((served) => {
      served.exchange.respond(responseOf(200, {}, 4), false);
      served.exchange.write(Buffer.alloc(length, 'x'), 0, length);
      served.exchange.end();
    });
    rig.request(get);
    assert.equal(rig.peer.resetCode(1), ErrorCode.internalError, String(length));
  }
});

test('text that could split a message elsewhere becomes harmless', () => {
  const rig = new Rig((served) => served.answer(200, '', { x: 'a\r\nb\u1234' }));
  rig.request(get);
  const [head] = rig.peer.seen(FrameType.headers);
  assert.ok(head?.payload.includes('a  b'));
});

test('a paused exchange holds at most its window, and the client is not given more', () => {
  const rig = new Rig((served) => served.exchange.pause(), {
    streamWindowBytes: 70_000,
    connectionWindowBytes: 200_000,
  });
  rig.request(post, false);
  for (let i = 0; i < 5; i++) rig.peer.data(1, 'x'.repeat(14_000), false);
  rig.settle();
  const updates = (): number => rig.peer.seen(FrameType.windowUpdate).filter((frame) => frame.streamId === 1).length;
  assert.equal(updates(), 0);
  assert.equal(rig.log.served[0]?.body, '');
  rig.log.served[0]?.exchange.resume();
  rig.settle();
  assert.equal(rig.log.served[0]?.body.length, 70_000);
  assert.ok(updates() > 0);
  rig.log.served[0]?.exchange.pause();
  for (let i = 0; i < 6; i++) rig.peer.data(1, 'x'.repeat(14_000), false);
  rig.settle();
  assert.equal(rig.peer.resetCode(1), ErrorCode.flowControlError);
});

test('bytes of a stream that was reset are credited to the connection', () => {
  const rig = new Rig((served) => served.exchange.pause(), {
    connectionWindowBytes: 65_535,
    streamWindowBytes: 65_535,
  });
  for (let id = 1; id < 60; id += 2) {
    rig.request(post, false, id);
    rig.peer.data(id, 'x'.repeat(16_000), false);
    rig.settle();
    rig.peer.reset(id);
    rig.settle();
  }
  assert.equal(rig.peer.goAwayCode, undefined, 'the window never ran out');
  assert.equal(rig.log.served.length, 30);
});

test('drain says GOAWAY twice and refuses what comes after', () => {
  const rig = new Rig();
  rig.request(get);
  rig.server.drain();
  rig.settle();
  assert.equal(rig.peer.seen(FrameType.goAway)[0]?.payload.readUInt32BE(0), 0x7fffffff);
  const ping = rig.peer.seen(FrameType.ping)[0];
  assert.ok(ping !== undefined);
  rig.request(get, true, 3);
  assert.equal(rig.log.served.length, 2, 'a request that was under way');
  rig.peer.frame(FrameType.ping, FrameFlag.ack, 0, ping.payload);
  rig.settle();
  assert.equal(rig.peer.seen(FrameType.goAway)[1]?.payload.readUInt32BE(0), 3);
  rig.request(get, true, 5);
  assert.equal(rig.peer.resetCode(5), ErrorCode.refusedStream);
  for (const served of rig.log.served) served.answer(200);
  rig.settle();
  assert.equal(rig.peer.isEnded, true);
  rig.peer.end();
  rig.settle();
  assert.deepEqual([rig.log.isClosed, rig.log.error], [true, undefined]);
});

test('trailers go out as a header block that ends the stream', () => {
  const rig = new Rig((served) => {
    served.exchange.respond(responseOf(200), false);
    served.exchange.end(fieldsOf({ 'grpc-status': '0' }));
  });
  rig.request(get);
  const heads = rig.peer.seen(FrameType.headers);
  assert.deepEqual(
    heads.map((frame) => frame.flags & FrameFlag.endStream),
    [0, FrameFlag.endStream],
  );
});

test('frames of one turn leave with one write', () => {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const log = new RequestLog((served) => served.answer(200, 'body'));
  const server = new Http2ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
  const peer = new FramePeer(pair.left);
  peer.hello();
  pair.settle();
  const before = pair.right.writes;
  for (let id = 1; id < 40; id += 2) peer.headers(id, get, true);
  pair.settle();
  assert.equal(log.served.length, 20);
  assert.equal(pair.right.writes - before, 1);
  assert.equal(server.activeExchanges, 0);
});
