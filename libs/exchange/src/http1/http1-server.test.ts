import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entriesOf, fieldsOf, responseOf, type ServedExchange } from '../test-support/recorders.ts';
import { Rig, get } from './test-support/http1-server-rig.ts';

test('a request becomes a head without the fields of its connection', () => {
  const rig = new Rig();
  rig.send(
    'POST /a?b=c HTTP/1.1\r\nHost: A.test:80\r\nX-One: 1\r\nConnection: keep-alive, X-Gone\r\nx-gone: 1\r\n' +
      'Keep-Alive: 5\r\nTE: gzip, trailers\r\nContent-Length: 3\r\nVia: a\r\nvia: b\r\n\r\nabc',
  );
  const { head } = rig.last.exchange;
  assert.equal(`${head.method} ${head.scheme} ${head.authority} ${head.target}`, 'POST http A.test:80 /a?b=c');
  assert.deepEqual(entriesOf(head.fields), ['x-one: 1', 'via: a', 'via: b', 'te: trailers']);
  assert.deepEqual([head.contentLength, head.hasBody, head.protocol], [3, true, 'HTTP/1.1']);
  assert.equal(rig.last.body, 'abc');
  assert.equal(rig.last.isEnded, true);
});

test('an absolute target is taken apart, and its authority wins', () => {
  for (const [line, authority, target] of [
    ['GET http://b.test/p?q HTTP/1.1', 'b.test', '/p?q'],
    ['GET http://b.test HTTP/1.1', 'b.test', '/'],
    ['GET HTTP://b.test:81?q HTTP/1.1', 'b.test:81', '/?q'],
    ['OPTIONS http://b.test HTTP/1.1', 'b.test', '*'],
    ['OPTIONS * HTTP/1.1', 'a.test', '*'],
  ] as const) {
    const rig = new Rig();
    rig.send(`${line}\r\nHost: a.test\r\n\r\n`);
    assert.deepEqual([rig.last.exchange.head.authority, rig.last.exchange.head.target], [authority, target], line);
  }
});

test('pipelined requests are answered one after the other', () => {
  const rig = new Rig();
  rig.send(get + get.replace('/x', '/y') + get.replace('/x', '/z'));
  assert.equal(rig.log.served.length, 1);
  rig.last.answer(200, 'one');
  rig.settle();
  assert.equal(rig.log.served.length, 2);
  rig.last.answer(200, 'two');
  rig.settle();
  assert.equal(rig.last.exchange.head.target, '/z');
  rig.last.answer(204);
  rig.settle();
  assert.equal(
    rig.client.received,
    'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none' +
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo' +
      'HTTP/1.1 204 No Content\r\n\r\n',
  );
  assert.equal(rig.connection.activeExchanges, 0);
});

test('answers inside onRequest keep up with a pipeline', () => {
  const rig = new Rig((served) => served.answer(200, served.exchange.head.target));
  rig.send(get.repeat(50));
  assert.equal(rig.log.served.length, 50);
  assert.equal(rig.client.received.split('HTTP/1.1 200').length, 51);
});

test('a body of unknown length goes out in chunks, with trailers only for who takes them', () => {
  const answerInParts = (served: ServedExchange): void => {
    served.exchange.respond(responseOf(200), false);
    served.exchange.write(Buffer.from('hello'), 0, 5);
    served.exchange.write(Buffer.alloc(5000, 'x'), 0, 5000);
    served.exchange.end(fieldsOf({ 'grpc-status': '0', 'content-length': '9' }));
  };
  const rig = new Rig(answerInParts);
  rig.send(get);
  const body = `5\r\nhello\r\n1388\r\n${'x'.repeat(5000)}\r\n0\r\n`;
  assert.equal(rig.client.received, `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body}\r\n`);
  const second = new Rig(answerInParts);
  second.send('GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n');
  assert.ok(second.client.received.endsWith(`${body}grpc-status: 0\r\n\r\n`));
});

test('answers without body say what their status and method demand', () => {
  for (const [method, status, length, expected] of [
    ['GET', 200, undefined, 'content-length: 0\r\n'],
    ['GET', 204, undefined, ''],
    ['GET', 304, 12, 'content-length: 12\r\n'],
    ['GET', 304, undefined, ''],
    ['HEAD', 200, 77, 'content-length: 77\r\n'],
    ['HEAD', 200, undefined, ''],
  ] as const) {
    const rig = new Rig((served) => served.exchange.respond(responseOf(status, {}, length), true));
    rig.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    const [, fields] = /^HTTP\/1\.1 [^\r]*\r\n(.*)\r\n$/s.exec(rig.client.received) ?? [];
    assert.equal(fields, expected, `${method} ${status}`);
    rig.send(get);
    assert.equal(rig.log.served.length, 2, 'the connection goes on');
  }
});

test('the body of an answer to HEAD is not sent', () => {
  const rig = new Rig((served) => served.answer(200, 'body'));
  rig.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(rig.client.received, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n');
});

test('informational answers precede the final one', () => {
  const rig = new Rig();
  rig.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  assert.equal(rig.last.exchange.head.expectsContinue, true);
  assert.equal(rig.last.exchange.head.fields.has('expect'), false);
  rig.last.exchange.respondInformational(responseOf(103, { link: '</a>' }));
  rig.last.exchange.respondInformational(responseOf(100));
  rig.send('ok');
  rig.last.answer(200);
  rig.settle();
  assert.equal(
    rig.client.received,
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  );
  assert.equal(rig.last.body, 'ok');
});

for (const body of ['', 'no']) {
  test(`a client that waits for 100 and gets a final answer (${body.length} bytes) must not send its body into the next request`, () => {
    const rig = new Rig((served) => served.answer(403, body));
    rig.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n');
    assert.equal(
      rig.client.received,
      `HTTP/1.1 403 Forbidden\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
    assert.equal(rig.client.isEnded, true);
    rig.send(get);
    assert.equal(rig.log.served.length, 1);
  });
}

test('HTTP/1.0 is answered 426, or served and closed where it is accepted', () => {
  const strict = new Rig();
  strict.send('GET / HTTP/1.0\r\n\r\n');
  assert.match(strict.client.received, /^HTTP\/1\.1 426 Upgrade Required\r\n/);
  assert.equal(strict.log.served.length, 0);
  const lenient = new Rig(
    (served) => {
      served.exchange.respond(responseOf(200), false);
      served.exchange.write(Buffer.from('body'), 0, 4);
      served.exchange.end();
    },
    { acceptsHttp10: true },
  );
  lenient.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.equal(lenient.client.received, 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody');
  assert.equal(lenient.client.isEnded, true);
  assert.equal(lenient.last.exchange.head.protocol, 'HTTP/1.0');
});

test('an upgraded exchange is a byte stream with two ends', () => {
  const rig = new Rig();
  rig.send(
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly',
  );
  const served = rig.last;
  assert.equal(served.exchange.head.upgrade, 'websocket');
  assert.deepEqual(entriesOf(served.exchange.head.fields), ['sec-websocket-key: k']);
  assert.equal(served.body, '');
  assert.equal(served.isEnded, false);
  served.exchange.respond(responseOf(101, { 'sec-websocket-accept': 'v' }), false);
  rig.settle();
  assert.equal(
    rig.client.received,
    'HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: v\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
  );
  assert.equal(served.body, 'early');
  rig.send('GET / more');
  assert.equal(served.body, 'earlyGET / more');
  served.exchange.write(Buffer.from('down'), 0, 4);
  rig.settle();
  assert.ok(rig.client.received.endsWith('\r\n\r\ndown'));
  rig.client.channel.end();
  rig.settle();
  assert.equal(served.isEnded, true);
  served.exchange.write(Buffer.from('last'), 0, 4);
  served.exchange.end();
  rig.settle();
  assert.ok(rig.client.received.endsWith('downlast'));
  assert.equal(rig.client.isEnded, true);
});

test('an upgrade that is refused leaves a connection that goes on', () => {
  const rig = new Rig((served) => served.answer(403));
  rig.send('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  rig.send(get);
  assert.equal(rig.log.served.length, 2);
});

test('h2c and upgrades with a body are ordinary requests', () => {
  const rig = new Rig((served) => served.answer(200));
  rig.send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
  );
  assert.equal(rig.last.exchange.head.upgrade, undefined);
  assert.deepEqual(entriesOf(rig.last.exchange.head.fields), []);
  rig.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nab');
  assert.equal(rig.last.exchange.head.upgrade, undefined);
});

test('trailers of a chunked request are told with its end', () => {
  const rig = new Rig();
  rig.send(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\nConnection: x\r\n\r\n',
  );
  assert.deepEqual([rig.last.body, entriesOf(rig.last.trailers)], ['abc', ['x-sum: 9']]);
});

test('a user that pauses gets nothing until it resumes, and the client is held back', () => {
  const rig = new Rig((served) => served.exchange.pause());
  const body = Array.from({ length: 20 }, (_, i) => `5\r\npart${i % 10}\r\n`).join('');
  rig.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n${get}`);
  assert.equal(rig.last.body, '');
  rig.last.exchange.resume();
  assert.equal(rig.last.body, '', 'nobody is called from inside resume');
  rig.settle();
  assert.equal(rig.last.body.length, 100);
  assert.equal(rig.last.isEnded, true);
  rig.last.answer(200);
  rig.settle();
  assert.equal(rig.log.served.length, 2);
});

test('pausing in the last piece keeps the end back', () => {
  const rig = new Rig();
  rig.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
  rig.last.exchange.pause();
  rig.send('def');
  assert.deepEqual([rig.last.body, rig.last.isEnded], ['abc', false]);
  rig.last.exchange.resume();
  rig.settle();
  assert.deepEqual([rig.last.body, rig.last.isEnded], ['abcdef', true]);
});

test('text that could split an answer becomes harmless', () => {
  const rig = new Rig((served) => served.answer(200, '', { 'x-bad': 'a\r\nset-cookie: b\0\u1234' }));
  rig.send(get);
  assert.match(rig.client.received, /\r\nx-bad: a {2}set-cookie: b {2}\r\n/);
});

test('a slow client stops the writer and lets it go on', () => {
  const rig = new Rig((served) => served.exchange.respond(responseOf(200), false));
  rig.client.channel.pause();
  rig.send(get);
  const piece = Buffer.alloc(50_000, 'x');
  assert.equal(rig.last.exchange.write(piece, 0, piece.length), true);
  assert.equal(rig.last.exchange.write(piece, 0, piece.length), false);
  rig.settle();
  assert.equal(rig.last.writableCount, 0);
  rig.client.channel.resume();
  rig.settle();
  assert.equal(rig.last.writableCount, 1);
});

test('any cut of the input gives the same exchanges', () => {
  const input =
    'POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: 1\r\n\r\n' +
    'POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwxyz' +
    'GET /3 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw\r\n\r\n';
  const run = (cut: () => number): string => {
    const rig = new Rig(undefined, {}, cut);
    rig.send(input);
    rig.log.served[0]?.answer(200, 'a');
    rig.settle();
    rig.log.served[1]?.answer(200, 'b');
    rig.settle();
    rig.log.served[2]?.exchange.respond(responseOf(101), false);
    rig.settle();
    const served = rig.log.served.map((one) => [
      one.exchange.head.target,
      one.body,
      one.isEnded,
      entriesOf(one.trailers),
    ]);
    return JSON.stringify([served, rig.client.received]);
  };
  const whole = run(() => Number.POSITIVE_INFINITY);
  assert.match(whole, /raw/);
  for (const size of [1, 2, 3, 7, 64])
    assert.equal(
      run(() => size),
      whole,
      `pieces of ${size}`,
    );
  for (let first = 1; first < input.length; first++) {
    let calls = 0;
    assert.equal(
      run(() => (calls++ === 0 ? first : Number.POSITIVE_INFINITY)),
      whole,
      `cut at ${first}`,
    );
  }
});
