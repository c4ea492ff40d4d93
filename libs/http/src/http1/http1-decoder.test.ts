import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultHttp1Limits, Http1Decoder, type Http1Sink } from '../index.ts';
import {
  type Message,
  Recorder,
  decodeRequests,
  decodeResponse,
  feed,
  breachOf,
} from './test-support/http1-recorder.ts';

const twoRequests =
  'POST /a?b=c HTTP/1.1\r\nHost: shop:8080\r\nX-Empty:\r\nX-Blank: \t two words \t\r\nContent-Length: 5\r\n\r\nhello' +
  'PUT /b HTTP/1.1\r\nhost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n' +
  'GET /c HTTP/1.0\r\n\r\n';

test('requests with every kind of body are read, pipelined, however the bytes are cut', () => {
  const whole = decodeRequests(twoRequests).messages;
  assert.deepEqual(
    whole.map(({ start, body, isComplete, isPersistent }) => ({ start, body, isComplete, isPersistent })),
    [
      { start: 'POST /a?b=c', body: 'hello', isComplete: true, isPersistent: true },
      { start: 'PUT /b', body: 'abc0123456789', isComplete: true, isPersistent: true },
      { start: 'GET /c', body: '', isComplete: true, isPersistent: false },
    ],
  );
  assert.deepEqual(whole[0]?.fields, [
    ['host', 'shop:8080'],
    ['x-empty', ''],
    ['x-blank', 'two words'],
    ['content-length', '5'],
  ]);
  const everyByte = Array.from({ length: twoRequests.length }, (_, i) => i);
  assert.deepEqual(decodeRequests(twoRequests, everyByte).messages, whole);
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 8 }), (cuts) => {
      assert.deepEqual(decodeRequests(twoRequests, cuts).messages, whole);
    }),
    { seed: 1, numRuns: 200 },
  );
});

const request = (lines: readonly string[], body = ''): string => [...lines, body].join('\r\n');

test('what is legal in heads is accepted', () => {
  for (const text of [
    request(['OPTIONS * HTTP/1.1', 'Host: a', '']),
    request(['CONNECT a:443 HTTP/1.1', 'Host: a:443', '']),
    request(['GET http://a:80/b?c HTTP/1.1', 'Host: a', '']),
    request(['GET / HTTP/1.1', 'Host: [::1]:8080', '']),
    request(['GET / HTTP/1.1', 'Host: [::1]', '']),
    request(['GET / HTTP/1.1', 'Host: my_service.ns.svc.cluster.local:15008', '']),
    request(['GET / HTTP/1.1', 'Host: a', 'X: \xe4\xf6', 'Cookie: a=b; c="d"', '']),
    request(['POST / HTTP/1.1', 'Host: a', 'transfer-encoding: CHUNKED', ''], '0\r\n\r\n'),
    request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 0', '']),
    request(['BREW / HTTP/1.1', 'Host: a', 'Expect: 100-Continue', '']),
  ]) {
    const { messages } = decodeRequests(text);
    assert.equal(messages.length, 1, text);
    assert.equal(messages[0]?.isComplete, true, text);
  }
});

test('heads and fields have limits, felt before the head is complete', () => {
  const many = Array.from({ length: 101 }, (_, i) => `x${i}: y`);
  assert.equal(
    breachOf(() => decodeRequests(request(['GET / HTTP/1.1', 'Host: a', ...many, '']))),
    'too_many_fields',
  );
  const endless = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(61_440)}`;
  assert.equal(
    breachOf(() => decodeRequests(endless)),
    'head_too_large',
  );
});

test('a field ends at this hop if it is a connection field or Connection names it', () => {
  const ended: string[] = [];
  const sink: Http1Sink = {
    onHead(head) {
      for (let i = 0; i < head.fields.count; i++) if (head.isHopByHop(i)) ended.push(head.fields.name(i));
    },
    onInformational() {},
    onBody() {},
    onEnd() {},
  };
  feed(
    new Http1Decoder('request', sink, defaultHttp1Limits),
    request([
      'GET / HTTP/1.1',
      'Host: a',
      'Connection: Foo,  bar',
      'foo: 1',
      'BAR: 2',
      'baz: 3',
      'TE: trailers',
      'Keep-Alive: 5',
      '',
    ]),
    [],
  );
  assert.deepEqual(ended, ['connection', 'foo', 'bar', 'te', 'keep-alive']);
});

test('responses are read by the rules of the request they answer', () => {
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n';
  assert.equal(decodeResponse(`${ok}abc`, 'GET').messages[0]?.body, 'abc');
  assert.equal(decodeResponse(ok, 'HEAD').messages[0]?.isComplete, true);
  assert.equal(
    decodeResponse('HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n', 'GET').messages[0]?.isComplete,
    true,
  );
  assert.equal(decodeResponse('HTTP/1.1 204\r\n\r\n', 'GET').messages[0]?.start, '204');
  const untilClose = decodeResponse('HTTP/1.0 200 OK\r\n\r\nabc', 'GET', true).messages[0];
  assert.deepEqual([untilClose?.body, untilClose?.isComplete, untilClose?.isPersistent], ['abc', true, false]);
  const hints = decodeResponse(
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n${ok}abc`,
    'POST',
  );
  assert.deepEqual(hints.informational, [100, 103]);
  assert.equal(hints.messages[0]?.body, 'abc');
});

test('a response that is cut off, surplus or unasked is an error', () => {
  assert.equal(
    breachOf(() => decodeResponse('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab', 'GET', true)),
    'framing',
  );
  assert.equal(
    breachOf(() => decodeResponse('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n', 'GET')),
    'framing',
  );
  assert.equal(
    breachOf(() =>
      feed(new Http1Decoder('response', new Recorder(), defaultHttp1Limits), 'HTTP/1.1 200 OK\r\n\r\n', []),
    ),
    'framing',
  );
});

test('random bytes never crash the decoder nor make it hold more than its limits', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(), (noise, position) => {
      const at = position % twoRequests.length;
      const mutated = twoRequests.slice(0, at) + noise.slice(0, 8) + twoRequests.slice(at + (noise.length % 4));
      breachOf(() => decodeRequests(mutated));
      breachOf(() => decodeRequests(noise));
    }),
    { seed: 7, numRuns: 2000 },
  );
});

test('what the decoder accepts, node:http reads in the same way', async () => {
  const seen: { start: string; body: string }[] = [];
  const server = createServer((incoming: IncomingMessage, response) => {
    let body = '';
    incoming.setEncoding('latin1');
    incoming.on('data', (chunk: string) => (body += chunk));
    incoming.on('end', () => {
      seen.push({ start: `${incoming.method ?? ''} ${incoming.url ?? ''}`, body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    for (const mutated of mutations(twoRequests, 150)) {
      let ours: readonly Message[];
      try {
        ours = decodeRequests(mutated).messages.filter((message) => message.isComplete);
      } catch {
        continue;
      }
      seen.length = 0;
      await send(port, mutated);
      assert.deepEqual(
        seen,
        ours.slice(0, seen.length).map(({ start, body }) => ({ start, body })),
        JSON.stringify(mutated),
      );
    }
  } finally {
    server.close();
  }
});

/** Seeded edits: octets deleted, doubled, replaced by those that parsers disagree on. */
function* mutations(text: string, count: number): Generator<string> {
  const edits = [
    '\r',
    '\n',
    '\r\n',
    ' ',
    '\t',
    '\0',
    ':',
    ',',
    '0',
    ';',
    'chunked',
    'Content-Length: 3\r\n',
    'Host: b\r\n',
  ];
  let state = 12345;
  const next = (bound: number): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % bound;
  for (let i = 0; i < count; i++) {
    const at = next(text.length);
    yield text.slice(0, at) + (edits[next(edits.length)] ?? '') + text.slice(at + next(2));
  }
}

async function send(port: number, text: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.end(text, 'latin1');
  socket.resume();
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}
