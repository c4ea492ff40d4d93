import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  defaultHttp1Limits,
  type Http1Breach,
  Http1Decoder,
  Http1Error,
  type Http1Head,
  type Http1Sink,
} from '../index.ts';

interface Message {
  readonly start: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly isPersistent: boolean;
  body: string;
  isComplete: boolean;
}

class Recorder implements Http1Sink {
  readonly messages: Message[] = [];
  readonly informational: number[] = [];

  onHead(head: Http1Head): void {
    const fields = Array.from(
      { length: head.fields.count },
      (_, i) => [head.fields.name(i), head.fields.value(i)] as const,
    );
    const start = head.status === 0 ? `${head.method} ${head.target}` : String(head.status);
    this.messages.push({ start, fields, isPersistent: head.isPersistent, body: '', isComplete: false });
  }

  onInformational(head: Http1Head): void {
    this.informational.push(head.status);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    assert.ok(length > 0);
    const message = this.messages.at(-1);
    assert.ok(message !== undefined);
    message.body += Buffer.from(buffer.subarray(offset, offset + length)).toString('latin1');
  }

  onEnd(): void {
    const message = this.messages.at(-1);
    assert.ok(message !== undefined);
    message.isComplete = true;
  }
}

function decodeRequests(text: string, cuts: readonly number[] = []): Recorder {
  const recorder = new Recorder();
  feed(new Http1Decoder('request', recorder, defaultHttp1Limits), text, cuts);
  return recorder;
}

function decodeResponse(text: string, method: string, isClosed = false, cuts: readonly number[] = []): Recorder {
  const recorder = new Recorder();
  const decoder = new Http1Decoder('response', recorder, defaultHttp1Limits);
  decoder.expectResponse(method);
  feed(decoder, text, cuts);
  if (isClosed) decoder.end();
  return recorder;
}

function feed(decoder: Http1Decoder, text: string, cuts: readonly number[]): void {
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    while (at < end) at = decoder.push(bytes, at, end);
  }
}

function breachOf(run: () => unknown): Http1Breach | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Http1Error, String(error));
    return error.breach;
  }
}

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

const refusedRequests: readonly (readonly [name: string, bytes: string, breach: Http1Breach])[] = [
  ['bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 'line_ending'],
  ['bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 'line_ending'],
  ['bare LF as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 'line_ending'],
  ['bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n', 'line_ending'],
  ['CR CR LF', 'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n', 'line_ending'],
  ['NUL in a value', request(['GET / HTTP/1.1', 'Host: a', 'X: b\0c', '']), 'field_syntax'],
  ['NUL in a name', request(['GET / HTTP/1.1', 'Host: a', 'X\0: b', '']), 'field_syntax'],
  ['DEL in a value', request(['GET / HTTP/1.1', 'Host: a', 'X: \x7f', '']), 'field_syntax'],
  ['a folded line', request(['GET / HTTP/1.1', 'Host: a', 'X: b', ' c', '']), 'field_syntax'],
  ['a folded first field', request(['GET / HTTP/1.1', ' Host: a', '']), 'field_syntax'],
  ['space before the colon', request(['GET / HTTP/1.1', 'Host : a', '']), 'field_syntax'],
  ['a field without colon', request(['GET / HTTP/1.1', 'Host', '']), 'line_ending'],
  ['an empty name', request(['GET / HTTP/1.1', ': a', '']), 'field_syntax'],
  ['two spaces before the target', request(['GET  / HTTP/1.1', 'Host: a', '']), 'request_line'],
  ['two spaces after the target', request(['GET /  HTTP/1.1', 'Host: a', '']), 'request_line'],
  ['a tab in the request line', request(['GET\t/ HTTP/1.1', 'Host: a', '']), 'request_line'],
  ['a space in the target', request(['GET /a b HTTP/1.1', 'Host: a', '']), 'request_line'],
  ['space after the version', request(['GET / HTTP/1.1 ', 'Host: a', '']), 'line_ending'],
  ['no version', request(['GET /', 'Host: a', '']), 'line_ending'],
  ['HTTP/2.0', request(['GET / HTTP/2.0', 'Host: a', '']), 'version'],
  ['HTTP/1.2', request(['GET / HTTP/1.2', 'Host: a', '']), 'version'],
  ['HTTP/1.10', request(['GET / HTTP/1.10', 'Host: a', '']), 'line_ending'],
  ['http/1.1', request(['GET / http/1.1', 'Host: a', '']), 'request_line'],
  ['an empty line first', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'request_line'],
  ['a TLS hello', '\x16\x03\x01\x02\x00', 'request_line'],
  ['no Host', request(['GET / HTTP/1.1', '']), 'host'],
  ['two Hosts', request(['GET / HTTP/1.1', 'Host: a', 'Host: a', '']), 'host'],
  ['an empty Host', request(['GET / HTTP/1.1', 'Host:', '']), 'host'],
  ['a Host with a path', request(['GET / HTTP/1.1', 'Host: a/b', '']), 'host'],
  ['a Host with user', request(['GET / HTTP/1.1', 'Host: u@a', '']), 'host'],
  ['two Hosts in one', request(['GET / HTTP/1.1', 'Host: a, b', '']), 'host'],
  ['a Host with a long port', request(['GET / HTTP/1.1', 'Host: a:123456', '']), 'host'],
  ['a Host with a strange port', request(['GET / HTTP/1.1', 'Host: a:8x', '']), 'host'],
  ['a target without slash', request(['GET a HTTP/1.1', 'Host: a', '']), 'target'],
  ['an asterisk for GET', request(['GET * HTTP/1.1', 'Host: a', '']), 'target'],
  ['a URI of another scheme', request(['GET file:///etc HTTP/1.1', 'Host: a', '']), 'target'],
  ['a URI without host', request(['GET http:/// HTTP/1.1', 'Host: a', '']), 'target'],
  ['CONNECT to a path', request(['CONNECT /a HTTP/1.1', 'Host: a', '']), 'target'],
  ['an octet above ASCII in the target', request(['GET /\xe4 HTTP/1.1', 'Host: a', '']), 'request_line'],
  [
    'two Content-Lengths that differ',
    request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 2', ''], 'ab'),
    'content_length',
  ],
  [
    'two Content-Lengths alike',
    request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 1', ''], 'a'),
    'content_length',
  ],
  ['a list of lengths', request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1, 1', ''], 'a'), 'content_length'],
  ['a signed length', request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: +1', ''], 'a'), 'content_length'],
  ['a hexadecimal length', request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 0x1', ''], 'a'), 'content_length'],
  ['an empty length', request(['POST / HTTP/1.1', 'Host: a', 'Content-Length:', ''], 'a'), 'content_length'],
  [
    'a length of 20 digits',
    request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 18446744073709551617', '']),
    'content_length',
  ],
  [
    'CL.TE',
    request(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Transfer-Encoding: chunked', ''], '0\r\n\r\n'),
    'framing',
  ],
  [
    'TE.CL',
    request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Content-Length: 4', ''], '0\r\n\r\n'),
    'framing',
  ],
  [
    'TE.TE',
    request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Transfer-Encoding: x', ''], '0\r\n\r\n'),
    'transfer_encoding',
  ],
  [
    'chunked twice',
    request(
      ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', ''],
      '0\r\n\r\n',
    ),
    'transfer_encoding',
  ],
  [
    'a coding before chunked',
    request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: gzip, chunked', ''], '0\r\n\r\n'),
    'transfer_encoding',
  ],
  ['identity', request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: identity', '']), 'transfer_encoding'],
  [
    'a vertical tab before chunked',
    request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: \vchunked', '']),
    'field_syntax',
  ],
  ['a quoted coding', request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: "chunked"', '']), 'transfer_encoding'],
  [
    'chunked in HTTP/1.0',
    request(['POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked', ''], '0\r\n\r\n'),
    'framing',
  ],
  [
    'Connection that names Host',
    request(['GET / HTTP/1.1', 'Host: a', 'Connection: close, host', '']),
    'connection_field',
  ],
  [
    'Connection that names a forwarding field',
    request(['GET / HTTP/1.1', 'Host: a', 'Connection: X-Forwarded-For', '']),
    'connection_field',
  ],
  ['an expectation of another kind', request(['GET / HTTP/1.1', 'Host: a', 'Expect: a pony', '']), 'field_syntax'],
  ['a method of 33 letters', request([`${'A'.repeat(33)} / HTTP/1.1`, 'Host: a', '']), 'request_line'],
];

const chunked = (body: string): string =>
  request(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', ''], body);
const refusedChunks: readonly (readonly [name: string, bytes: string, breach: Http1Breach])[] = [
  ['an extension', chunked('1;a=b\r\nx\r\n0\r\n\r\n'), 'chunk'],
  ['a blank after the size', chunked('1 \r\nx\r\n0\r\n\r\n'), 'chunk'],
  ['an empty size', chunked('\r\nx\r\n0\r\n\r\n'), 'chunk'],
  ['a sign', chunked('+1\r\nx\r\n0\r\n\r\n'), 'chunk'],
  ['0x', chunked('0x1\r\nx\r\n0\r\n\r\n'), 'chunk'],
  ['nine digits', chunked('000000001\r\nx\r\n0\r\n\r\n'), 'chunk'],
  ['bare LF after the size', chunked('1\nx\r\n0\r\n\r\n'), 'chunk'],
  ['data longer than its size', chunked('1\r\nxy\r\n0\r\n\r\n'), 'chunk'],
  ['bare LF after the data', chunked('1\r\nx\n0\r\n\r\n'), 'chunk'],
  ['CR without LF', chunked('1\r\nx\r0\r\n\r\n'), 'chunk'],
  ['a length in the trailers', chunked('0\r\nContent-Length: 3\r\n\r\n'), 'trailers'],
  ['a Host in the trailers', chunked('0\r\nHost: b\r\n\r\n'), 'trailers'],
  ['a broken trailer', chunked('0\r\nX : b\r\n\r\n'), 'field_syntax'],
  ['trailers too large', chunked(`0\r\nX: ${'a'.repeat(9000)}\r\n\r\n`), 'trailers'],
];

for (const [name, bytes, breach] of [...refusedRequests, ...refusedChunks]) {
  test(`a request is refused with ${name}`, () => {
    assert.equal(
      breachOf(() => decodeRequests(bytes)),
      breach,
    );
    // The same when it trickles in.
    assert.equal(
      breachOf(() =>
        decodeRequests(
          bytes,
          Array.from({ length: bytes.length }, (_, i) => i),
        ),
      ),
      breach,
    );
  });
}

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
