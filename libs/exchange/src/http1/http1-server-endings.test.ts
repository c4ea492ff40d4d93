import assert from 'node:assert/strict';
import { test } from 'node:test';
import { responseOf } from '../test-support/recorders.ts';
import { Rig, get } from './test-support/http1-server-rig.ts';

test('the rest of a small body is read past after an early answer', () => {
  const rig = new Rig((served) => served.answer(403));
  rig.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234');
  rig.send(`56789${get}`);
  assert.equal(rig.log.served.length, 2);
  assert.equal(rig.log.served[0]?.body, '');
  assert.equal(rig.log.served[0]?.isEnded, false);
});

test('the rest of a large body ends the connection after an early answer', () => {
  const rig = new Rig((served) => served.answer(413));
  rig.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n01234');
  assert.match(rig.client.received, /connection: close/);
  assert.equal(rig.client.isEnded, true);
  const chunked = new Rig((served) => served.answer(413));
  chunked.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\n${'x'.repeat(65_535)}\r\n`);
  assert.equal(chunked.client.isEnded, false);
  chunked.send('2\r\nxx\r\n');
  assert.equal(chunked.client.isEnded, true);
});

test('the connection closes when the client or the handler says so', () => {
  const byClient = new Rig((served) => served.answer(200));
  byClient.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(byClient.client.received, /connection: close\r\n/);
  assert.equal(byClient.client.isEnded, true);
  byClient.client.channel.end();
  byClient.settle();
  assert.equal(byClient.log.isClosed, true);
  assert.equal(byClient.log.error, undefined);
  const byHandler = new Rig((served) => {
    served.exchange.closeAfter();
    served.answer(200);
  });
  byHandler.send(get);
  assert.match(byHandler.client.received, /connection: close\r\n/);
});

test('drain lets the running exchange end and tells the client', () => {
  const rig = new Rig();
  rig.send(get);
  rig.connection.drain();
  rig.settle();
  assert.equal(rig.client.isEnded, false);
  rig.last.answer(200, 'ok');
  rig.settle();
  assert.match(rig.client.received, /connection: close\r\n\r\nok$/);
  assert.equal(rig.client.isEnded, true);
  const idle = new Rig();
  idle.connection.drain();
  idle.settle();
  assert.equal(idle.client.isEnded, true);
});

test('a farewell ends by time when the client does not close', () => {
  const rig = new Rig((served) => served.answer(200), { headTimeoutMs: 10 });
  rig.connection.drain();
  rig.settle();
  assert.equal(rig.log.isClosed, false);
  const deadline = performance.now() + 5000;
  while (!rig.log.isClosed && performance.now() < deadline) rig.loop.runOnce(50);
  assert.equal(rig.log.isClosed, true);
});

test('a client that goes aborts its exchange, which may then do as it likes', () => {
  const rig = new Rig();
  rig.send(get);
  rig.client.channel.close();
  rig.settle();
  assert.equal(rig.last.error?.kind, 'lost');
  assert.equal(rig.log.error?.kind, 'lost');
  rig.last.answer(200, 'late');
  rig.last.exchange.abort();
  rig.settle();
  const ended = new Rig();
  ended.send(get);
  ended.client.channel.end();
  ended.settle();
  assert.equal(ended.last.error?.kind, 'lost');
});

test('abort and close end the connection without calls from inside', () => {
  const rig = new Rig((served) => served.exchange.abort());
  rig.send(get);
  assert.equal(rig.last.error, undefined);
  assert.equal(rig.log.isClosed, true);
  assert.ok(rig.client.lost !== undefined);
  const closed = new Rig();
  closed.send(get);
  closed.connection.close();
  const errorInside: unknown = closed.last.error;
  assert.equal(errorInside, undefined);
  closed.settle();
  assert.equal(closed.last.error?.kind, 'closed');
  assert.equal(closed.log.isClosed, true);
});

test('an answer of another length than announced ends the connection', () => {
  for (const length of [2, 5]) {
    const rig = new Rig((served) => {
      served.exchange.respond(responseOf(200, {}, 4), false);
      served.exchange.write(Buffer.alloc(length, 'x'), 0, length);
      served.exchange.end();
    });
    rig.send(get);
    assert.ok(rig.client.lost !== undefined, String(length));
  }
});

test('a head that does not come in time is answered 408; an idle connection just ends', () => {
  const rig = new Rig(undefined, { headTimeoutMs: 300 });
  rig.send('GET / HT');
  const idle = new Rig((served) => served.answer(200), { idleTimeoutMs: 5 });
  idle.send(get);
  const deadline = performance.now() + 5000;
  while (performance.now() < deadline && !(rig.client.isEnded && idle.client.isEnded)) {
    rig.loop.runOnce(2);
    idle.loop.runOnce(2);
  }
  assert.match(rig.client.received, /^HTTP\/1\.1 408 /);
  assert.match(idle.client.received, /content-length: 0\r\n\r\n$/);
  assert.equal(rig.log.served.length, 0);
});

test('a breach in the body fails the exchange, and is answered if nothing was', () => {
  const rig = new Rig();
  rig.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n');
  assert.equal(rig.last.error?.kind, 'protocol');
  assert.match(rig.client.received, /^HTTP\/1\.1 400 Bad Request\r\n/);
  const answered = new Rig((served) => served.exchange.respond(responseOf(200), false));
  answered.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n');
  assert.equal(answered.last.error?.kind, 'protocol');
  assert.ok(answered.client.lost !== undefined);
});
