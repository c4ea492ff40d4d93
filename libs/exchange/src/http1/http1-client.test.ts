import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';

import {
  type ClientExchange,
  defaultClientConnectionSettings,
  Http1ClientConnection,
  type RequestHead,
} from '../index.ts';
import { memoryPair } from '../test-support/memory-channel.ts';
import { RawPeer } from '../test-support/raw-peer.ts';
import { AnswerLog, entriesOf, fieldsOf, OwnerLog, requestOf } from '../test-support/recorders.ts';

class Rig {
  readonly loop: EventLoop = new EventLoop();
  readonly server: RawPeer;
  readonly owner = new OwnerLog();
  readonly connection: Http1ClientConnection;
  readonly settle: () => void;

  constructor(cut?: () => number) {
    const pair = memoryPair(this.loop, {}, cut === undefined ? {} : { cut });
    this.settle = pair.settle;
    this.connection = new Http1ClientConnection(pair.left, this.owner, this.loop, defaultClientConnectionSettings);
    this.server = new RawPeer(pair.right);
  }

  begin(head: RequestHead, isEnd = true): { readonly log: AnswerLog; readonly exchange: ClientExchange } {
    const log = new AnswerLog();
    const exchange = this.connection.request(head, isEnd, log);
    this.settle();
    return { log, exchange };
  }

  answer(text: string): void {
    this.server.send(text);
    this.settle();
  }
}

const get = requestOf('GET', '/p?q');
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const kept = (): Rig => {
  const rig = new Rig();
  rig.begin(get);
  rig.answer(ok);
  return rig;
};

test('a request is written with framing of its own', () => {
  const chunkedBody = { contentLength: undefined, hasBody: true };
  for (const [head, isEnd, expected] of [
    [get, true, 'GET /p?q HTTP/1.1\r\nhost: test.local\r\n\r\n'],
    [requestOf('POST', '/'), true, 'POST / HTTP/1.1\r\nhost: test.local\r\ncontent-length: 0\r\n\r\n'],
    [
      requestOf('POST', '/', chunkedBody),
      false,
      'POST / HTTP/1.1\r\nhost: test.local\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
    [
      requestOf('PUT', '/', { contentLength: 3, hasBody: true, expectsContinue: true, fields: fieldsOf({ a: 'b' }) }),
      false,
      'PUT / HTTP/1.1\r\nhost: test.local\r\na: b\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n',
    ],
    [
      requestOf('GET', '/', { fields: fieldsOf({ te: 'trailers' }) }),
      true,
      'GET / HTTP/1.1\r\nhost: test.local\r\nte: trailers\r\nconnection: te\r\n\r\n',
    ],
    [
      requestOf('GET', '/ws', { upgrade: 'websocket' }),
      false,
      'GET /ws HTTP/1.1\r\nhost: test.local\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    ],
  ] as const) {
    const rig = new Rig();
    rig.begin(head, isEnd);
    assert.equal(rig.server.received, expected);
  }
});

test('a connection is used again after a complete exchange', () => {
  const rig = new Rig();
  const { log } = rig.begin(get);
  assert.equal(rig.connection.capacity, 0);
  rig.answer('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\nX: y\r\n\r\no');
  assert.equal(log.isEnded, false);
  rig.answer('k');
  assert.deepEqual([log.head?.status, entriesOf(log.head?.fields), log.body, log.isEnded], [200, ['x: y'], 'ok', true]);
  assert.deepEqual([rig.connection.capacity, rig.owner.capacityCalls], [1, 1]);
  const second = rig.begin(get);
  rig.answer('HTTP/1.1 204 No Content\r\n\r\n');
  assert.deepEqual([second.log.head?.status, second.log.isHeadOnly, second.log.isEnded], [204, true, true]);
});

test('a body with trailers goes out in chunks', () => {
  const rig = new Rig();
  const { exchange } = rig.begin(requestOf('POST', '/', { contentLength: undefined, hasBody: true }), false);
  exchange.write(Buffer.from('xabcx'), 1, 3);
  exchange.end(fieldsOf({ 'x-sum': '1' }));
  rig.settle();
  assert.match(rig.server.received, /\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n$/);
});

test('responses without a body are known by method and status', () => {
  for (const [method, answer] of [
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ] as const) {
    const rig = new Rig();
    const { log } = rig.begin(requestOf(method, '/'));
    rig.answer(answer);
    assert.deepEqual([log.isHeadOnly, log.isEnded, rig.connection.capacity], [true, true, 1], answer);
  }
});

test('informational answers come first; their flood ends the connection', () => {
  const rig = new Rig();
  const { log } = rig.begin(get);
  rig.answer(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${ok}`);
  assert.deepEqual([log.informational, log.body], [[100, 103], 'ok']);
  const flooded = rig.begin(get);
  rig.answer('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100));
  assert.equal(flooded.log.error?.kind, 'protocol');
});

test('trailers of a chunked answer are told', () => {
  const rig = new Rig();
  const { log } = rig.begin(get);
  rig.answer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-a\r\n\r\n2\r\nok\r\n0\r\nX-A: 1\r\n\r\n');
  assert.deepEqual([log.body, entriesOf(log.trailers), log.head?.contentLength], ['ok', ['x-a: 1'], undefined]);
  assert.equal(rig.connection.capacity, 1);
});

test('a body that ends with the connection is complete, and ends the connection', () => {
  const rig = new Rig();
  const { log } = rig.begin(get);
  rig.answer('HTTP/1.1 200 OK\r\n\r\nall of');
  rig.server.send(' it');
  rig.server.channel.end();
  rig.settle();
  assert.deepEqual([log.body, log.isEnded, log.error], ['all of it', true, undefined]);
  assert.deepEqual([rig.owner.isClosed, rig.owner.error, rig.connection.isDone], [true, undefined, true]);
});

test('a server that says close is not asked again', () => {
  for (const head of ['HTTP/1.1 200 OK\r\nConnection: close\r\n', 'HTTP/1.0 200 OK\r\n']) {
    const rig = new Rig();
    const { log } = rig.begin(get);
    rig.answer(`${head}Content-Length: 2\r\n\r\nok`);
    assert.deepEqual([log.isEnded, rig.connection.isDone, rig.owner.capacityCalls], [true, true, 0]);
    assert.equal(rig.owner.isClosed, true);
  }
});

test('bytes that belong to no request end the connection and never reach the next', () => {
  const surplus = new Rig();
  const { log } = surplus.begin(get);
  surplus.answer(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`);
  assert.deepEqual([log.isEnded, log.body], [true, 'ok']);
  assert.deepEqual(
    [surplus.owner.error?.kind, surplus.connection.capacity, surplus.owner.capacityCalls],
    ['protocol', 0, 0],
  );
  const later = kept();
  later.answer('x');
  assert.deepEqual([later.owner.error?.kind, later.connection.isDone], ['protocol', true]);
  const early = new Rig();
  early.answer(ok);
  assert.equal(early.owner.error?.kind, 'protocol');
});

test('only what was surely not processed is refused; the rest is lost', () => {
  for (const [method, isReused, answer, expected] of [
    ['GET', true, '', 'refused'],
    ['POST', true, '', 'lost'],
    ['GET', false, '', 'lost'],
    ['GET', true, 'H', 'lost'],
    ['GET', true, 'HTTP/1.1 103 Early Hints\r\n\r\n', 'lost'],
    ['GET', true, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok', 'lost'],
  ] as const) {
    for (const isReset of [false, true]) {
      const rig = isReused ? kept() : new Rig();
      const { log } = rig.begin(requestOf(method, '/'));
      if (answer !== '') rig.answer(answer);
      if (isReset) rig.server.channel.close();
      else rig.server.channel.end();
      rig.settle();
      assert.equal(log.error?.kind, expected, JSON.stringify([method, isReused, answer, isReset]));
      assert.equal(rig.owner.isClosed, true);
    }
  }
});

test('a request that had not left when the server closed is refused, whatever its method', () => {
  const rig = kept();
  rig.server.channel.close();
  const log = new AnswerLog();
  rig.connection.request(requestOf('POST', '/'), true, log);
  // The loss is told before the turn ends in which the request was made.
  rig.connection.onEnd();
  assert.equal(log.error?.kind, 'refused');
  const late = new AnswerLog();
  rig.connection.request(get, true, late);
  const errorInside: unknown = late.error;
  assert.equal(errorInside, undefined);
  rig.settle();
  assert.equal(late.error?.kind, 'refused');
});

test('what is not HTTP fails the exchange', () => {
  for (const answer of [
    'HTTP/2 200\r\n\r\n',
    'SSH-2.0-x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  ]) {
    const rig = new Rig();
    const { log } = rig.begin(get);
    rig.answer(answer);
    assert.deepEqual(
      [log.error?.kind, rig.owner.error?.kind, rig.connection.isDone],
      ['protocol', 'protocol', true],
      answer,
    );
  }
});

test('an early answer ends the exchange and the connection', () => {
  const rig = new Rig();
  const { log, exchange } = rig.begin(requestOf('POST', '/', { contentLength: 10, hasBody: true }), false);
  exchange.write(Buffer.from('abc'), 0, 3);
  rig.answer('HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n');
  assert.deepEqual([log.head?.status, log.isEnded, rig.connection.isDone], [413, true, true]);
  assert.equal(exchange.write(Buffer.from('def'), 0, 3), true);
  exchange.end();
  assert.equal(rig.owner.isClosed, true);
});

test('a request of another length than announced ends the connection', () => {
  for (const length of [1, 4]) {
    const rig = new Rig();
    const { exchange } = rig.begin(requestOf('POST', '/', { contentLength: 3, hasBody: true }), false);
    exchange.write(Buffer.alloc(length, 'x'), 0, length);
    exchange.end();
    rig.settle();
    assert.ok(rig.server.lost !== undefined);
    assert.equal(rig.owner.isClosed, true);
  }
});

test('an upgrade becomes a byte stream, and what was written early leaves then', () => {
  const rig = new Rig();
  const { log, exchange } = rig.begin(requestOf('GET', '/ws', { upgrade: 'websocket' }), false);
  assert.equal(exchange.write(Buffer.from('early'), 0, 5), false);
  rig.settle();
  assert.ok(rig.server.received.endsWith('\r\n\r\n'));
  rig.answer('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello');
  assert.deepEqual([log.head?.status, log.head?.upgrade, log.isHeadOnly, log.body], [101, 'websocket', false, 'hello']);
  assert.equal(log.writableCount, 1);
  assert.ok(rig.server.received.endsWith('\r\n\r\nearly'));
  rig.answer('HTTP/1.1 200');
  assert.equal(log.body, 'helloHTTP/1.1 200');
  exchange.end();
  rig.settle();
  assert.deepEqual([rig.server.isEnded, log.isEnded], [true, false]);
  rig.answer('tail');
  rig.server.channel.end();
  rig.settle();
  assert.deepEqual(
    [log.body.endsWith('tail'), log.isEnded, rig.owner.isClosed, rig.owner.error],
    [true, true, true, undefined],
  );
});

test('an upgrade that is refused is an ordinary answer', () => {
  const rig = new Rig();
  const { log, exchange } = rig.begin(requestOf('GET', '/ws', { upgrade: 'websocket' }), false);
  exchange.write(Buffer.from('early'), 0, 5);
  rig.answer('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  assert.deepEqual([log.head?.status, log.body, log.isEnded, rig.connection.capacity], [403, 'no', true, 1]);
  assert.ok(!rig.server.received.includes('early'));
});

test('a user that pauses gets nothing until it resumes', () => {
  const rig = new Rig();
  const { log, exchange } = rig.begin(get);
  rig.answer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
  exchange.pause();
  rig.answer('1\r\nb\r\n1\r\nc\r\n0\r\n\r\n');
  assert.deepEqual([log.body, rig.connection.capacity], ['a', 0]);
  rig.server.channel.end();
  rig.settle();
  assert.equal(log.isEnded, false);
  exchange.resume();
  rig.settle();
  assert.deepEqual([log.body, log.isEnded, rig.owner.isClosed], ['abc', true, true]);
});

test('abort, drain and close end the connection and tell the owner at the end of the turn', () => {
  const aborted = new Rig();
  const first = aborted.begin(get);
  first.exchange.abort();
  assert.equal(aborted.owner.isClosed, false);
  aborted.settle();
  assert.deepEqual([first.log.error, aborted.owner.isClosed, aborted.connection.isDone], [undefined, true, true]);
  const drained = new Rig();
  const second = drained.begin(get);
  drained.connection.drain();
  assert.equal(drained.connection.isDone, true);
  drained.answer(ok);
  assert.deepEqual([second.log.isEnded, drained.owner.isClosed], [true, true]);
  const closed = new Rig();
  const third = closed.begin(get);
  closed.connection.close();
  closed.settle();
  assert.deepEqual([third.log.error?.kind, closed.owner.isClosed], ['closed', true]);
});

test('any cut of the answers gives the same', () => {
  const answers = [
    'HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwxyz',
    'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  ];
  const run = (cut: () => number): string => {
    const rig = new Rig(cut);
    const logs: unknown[] = [];
    for (const [index, answer] of answers.entries()) {
      const { log } = rig.begin(get);
      rig.answer(answer);
      if (index === 2) rig.server.channel.end();
      rig.settle();
      logs.push([log.informational, log.head?.status, log.body, log.isEnded, entriesOf(log.trailers), log.error?.kind]);
    }
    return JSON.stringify(logs);
  };
  const whole = run(() => Number.POSITIVE_INFINITY);
  assert.match(whole, /until the end",true/);
  for (const size of [1, 2, 3, 5, 11])
    assert.equal(
      run(() => size),
      whole,
      `pieces of ${size}`,
    );
});
