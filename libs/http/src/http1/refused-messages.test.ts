/** Requests and chunks that two programs could read differently: each is refused, whole and cut anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Http1Breach } from '../index.ts';
import { decodeRequests, breachOf } from './test-support/http1-recorder.ts';

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
