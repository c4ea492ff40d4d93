/**
 * Requests that two programs could take for two, by class. Each asks for `/ok/<id>` and hides a request for `/smuggled/<id>`, which
 * nobody behind a proxy may ever see. Pure.
 */

export interface SmugglingCase {
  /** Class and number: part of the path. */
  readonly id: string;
  /** Bytes of a connection, Latin-1. */
  readonly text: string;
  /** Names with an underscore are just other names: then what follows is a second request in every right reading. */
  readonly isSecondRequest: boolean;
}

export interface Http2SmugglingCase {
  readonly id: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly data?: string;
  readonly trailers?: readonly (readonly [name: string, value: string])[];
}

const hidden = (id: string): string => `GET /smuggled/${id} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (id: string): string => `POST /ok/${id} HTTP/1.1\r\nHost: a\r\n`;
const get = (id: string): string => `GET /ok/${id} HTTP/1.1\r\n`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Ways to write that the body is chunked, or to seem to. */
const encodings: readonly string[] = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked\t',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding: \0chunked',
  'Transfer\0-Encoding: chunked',
  'Transfer-Encoding\xa0: chunked',
  'Transfer-Encoding: \xa0chunked',
  'TRANSFER-ENCODING: CHUNKED',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
  'X: x\nTransfer-Encoding: chunked',
  'X: x\rTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\n chunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding: chunk',
  'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
];

/** Ways to write the length of a body, or to seem to. */
const lengths = (bytes: number): readonly string[] => [
  `Content-Length: ${bytes}`,
  `Content-Length : ${bytes}`,
  `Content-Length: +${bytes}`,
  `Content-Length: -${bytes}`,
  `Content-Length: 00${bytes}`,
  `Content-Length: ${bytes}, ${bytes}`,
  `Content-Length: ${bytes}\r\nContent-Length: 0`,
  `Content-Length: 0\r\nContent-Length: ${bytes}`,
  `Content-Length: ${bytes}\r\nContent-Length: ${bytes}`,
  `Content-Length:\t${bytes}`,
  `Content-Length: ${bytes}\x0b`,
  `Content-Length: 0x${bytes.toString(16)}`,
  `Content-Length: ${bytes};`,
  `Content-Length: "${bytes}"`,
  `Content-Length: ${bytes}e0`,
  `Content-Length: ${bytes}.0`,
  `Content-Length: 1${bytes}_0`,
  `Content_Length: ${bytes}`,
  `Content-Length:\r\n ${bytes}`,
  `X: x\nContent-Length: ${bytes}`,
  `Content-Length: ${2n ** 64n + BigInt(bytes)}`,
  `Connection: Content-Length\r\nContent-Length: ${bytes}`,
];

type Write = (id: string) => string;

/** The list of one class: `<class>-<number>`. */
function list(name: string, writers: readonly Write[]): readonly SmugglingCase[] {
  return writers.map((write, index) => {
    const id = `${name}-${index}`;
    const text = write(id);
    const isSecondRequest =
      (name.startsWith('cl-') && text.includes('Content_Length')) ||
      (name === 'te-cl' && text.includes('Transfer_Encoding'));
    return { id, text, isSecondRequest };
  });
}

const clTe = (encoding: string, length: (bytes: number) => string): Write => {
  return (id) => {
    const body = `0\r\n\r\n${hidden(id)}`;
    return `${post(id)}${length(body.length)}\r\n${encoding}\r\n\r\n${body}`;
  };
};

const teCl = (encoding: string, length: (bytes: number) => string): Write => {
  return (id) => {
    const inner = hidden(id);
    const head = `${inner.length.toString(16)}\r\n`;
    return `${post(id)}${encoding}\r\n${length(head.length)}\r\n\r\n${head}${inner}\r\n0\r\n\r\n`;
  };
};

const numberOfLengths = lengths(0).length;
const lengthAt =
  (index: number) =>
  (bytes: number): string =>
    lengths(bytes)[index] ?? '';
const everyLength = Array.from({ length: numberOfLengths }, (_, index) => lengthAt(index));
const chunked = 'Transfer-Encoding: chunked';

/** Lines with a chunk's size that are not, or may not be, one. `5` bytes follow. */
const chunkLines: readonly string[] = [
  '5;a=b\r\n',
  '5;\nxx\r\n',
  '5;a="\r\n"\r\n',
  '5 \r\n',
  ' 5\r\n',
  '5\t\r\n',
  '0x5\r\n',
  '+5\r\n',
  '-5\r\n',
  '5\n',
  '5\r',
  '5\r\r\n',
  '\r\n5\r\n',
  '100000005\r\n',
  'fffffffffffffffff5\r\n',
  '5_0\r\n',
  '5,\r\n',
  '5\0\r\n',
];

/** Requests over HTTP/1.1. */
export function smugglingMatrix(): readonly SmugglingCase[] {
  return [
    ...list('cl-te', [
      ...encodings.map((encoding) => clTe(encoding, lengthAt(0))),
      ...everyLength.map((length) => clTe(chunked, length)),
    ]),
    ...list('te-cl', [
      ...encodings.map((encoding) => teCl(encoding, lengthAt(0))),
      ...everyLength.map((length) => teCl(chunked, length)),
    ]),
    // The body is the hidden request: who believes that there is none takes it for the next.
    ...list(
      'cl-0',
      everyLength.map((length) => (id) => `${post(id)}${length(hidden(id).length)}\r\n\r\n${hidden(id)}`),
    ),
    ...list(
      'te-0',
      encodings.map((encoding) => (id) => `${post(id)}${encoding}\r\n\r\n${chunk(hidden(id))}0\r\n\r\n`),
    ),
    ...list(
      'expect',
      ['100-continue', '100-Continue', 'x 100-continue', '100-continue, y', ''].map(
        (value) => (id) => `${post(id)}Expect: ${value}\r\n${lengthAt(0)(hidden(id).length)}\r\n\r\n${hidden(id)}`,
      ),
    ),
    ...list(
      'chunk-line',
      chunkLines.map((line) => (id) => `${post(id)}${chunked}\r\n\r\n${line}0\r\n\r\n${hidden(id)}\r\n0\r\n\r\n`),
    ),
    ...list(
      'chunk-end',
      ['hello\n', 'hello', 'hello\r', 'hello\rX', 'hello!\r\n', 'hello\n\r\n'].map(
        (end) => (id) => `${post(id)}${chunked}\r\n\r\n5\r\n${end}0\r\n\r\n${hidden(id)}`,
      ),
    ),
    ...list(
      'trailers',
      ['Content-Length: 60', 'Transfer-Encoding: chunked', 'Host: b', 'X\r\n', ' folded', 'X: y\n'].map(
        (field) => (id) => `${post(id)}${chunked}\r\n\r\n0\r\n${field}\r\n\r\n${hidden(id)}`,
      ),
    ),
    ...list(
      'host',
      [
        'Host: a\r\nHost: b',
        'Host: a, b',
        'Host: a\r\nhost: a',
        'Host : a',
        ' Host: a',
        'Host: a/x',
        'Host: a@b',
        'Host:',
        'Host: a\0b',
        'X: x',
      ].map((host) => (id) => `${get(id)}${host}\r\nX: ${chunk('')}\r\n\r\n${hidden(id)}`),
    ),
    ...list('line', [
      (id) => `GET /ok/${id} HTTP/1.1\nHost: a\n\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.1\r\nHost: a\nX: y\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.1\r\nHost: a\r\nX: a\rGET /smuggled/${id} HTTP/1.1\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.1\r\nHost: a\r\nX: a\n\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.1\r\rHost: a\r\r${hidden(id)}`,
      (id) => `\r\n\r\nGET /ok/${id} HTTP/1.1\r\nHost: a\r\n\r\r\n${hidden(id)}`,
      (id) => `GET  /ok/${id} HTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} x HTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET\t/ok/${id}\tHTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id}\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.2\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/2.0\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.1 \r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} http/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET ok/${id} HTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `G\0T /ok/${id} HTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id}\0 HTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`,
      (id) => `GET /ok/${id} HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden(id)}`,
    ]),
    ...list('crlf', [
      (id) => `GET /ok/${id}%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0aGET%20/smuggled/${id} HTTP/1.1\r\nHost: a\r\n\r\n`,
      (id) => `${get(id)}Host: a\r\nX: %0d%0a%0d%0aGET /smuggled/${id} HTTP/1.1%0d%0a\r\n\r\n`,
      (id) => `${get(id)}Host: a%0d%0a%0d%0aGET /smuggled/${id}\r\n\r\n`,
      (id) => `${get(id)}Host: a\r\nX: \xe5\x98\x8a\xe5\x98\x8dGET /smuggled/${id} HTTP/1.1\r\n\r\n`,
      (id) => `${get(id)}Host: a\r\nX\r: y\r\n\r\n${hidden(id)}`,
      (id) => `${get(id)}Host: a\r\nX: y\r\r\n\r\n${hidden(id)}`,
    ]),
    // What follows a tunnel that was not granted is nobody's request.
    ...list('tunnel', [
      (id) => `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${hidden(id)}`,
      (id) => `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: ${hidden(id).length}\r\n\r\n${hidden(id)}`,
      (id) => `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden(id)}`,
    ]),
  ];
}

/** Requests over HTTP/2 that a backend of HTTP/1.1 could take for two. */
export function http2SmugglingMatrix(): readonly Http2SmugglingCase[] {
  const base = (id: string, method = 'POST', path = `/ok/${id}`): (readonly [string, string])[] => [
    [':method', method],
    [':scheme', 'http'],
    [':authority', 'a'],
    [':path', path],
  ];
  const split = (id: string): string => ` HTTP/1.1\r\nHost: a\r\n\r\n${hidden(id)}`;
  const writers: readonly ((id: string) => Omit<Http2SmugglingCase, 'id'>)[] = [
    (id) => ({ fields: [...base(id), ['content-length', '0']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['content-length', '5']], data: `hello${hidden(id)}` }),
    (id) => ({ fields: [...base(id), ['content-length', '+5']], data: 'hello' }),
    (id) => ({ fields: [...base(id), ['content-length', '0, 5']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['content-length', '5'], ['content-length', '0']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['transfer-encoding', 'chunked']], data: `0\r\n\r\n${hidden(id)}` }),
    (id) => ({ fields: [...base(id), ['transfer-encoding', 'xchunked']], data: `0\r\n\r\n${hidden(id)}` }),
    (id) => ({ fields: [...base(id), ['te', 'chunked']], data: `0\r\n\r\n${hidden(id)}` }),
    (id) => ({ fields: [...base(id), ['x', 'y\r\ntransfer-encoding: chunked']], data: `0\r\n\r\n${hidden(id)}` }),
    (id) => ({ fields: [...base(id), ['x', `y\r\n\r\n${hidden(id)}`]] }),
    (id) => ({ fields: [...base(id), ['x', `y\n\n${hidden(id)}`]] }),
    (id) => ({ fields: [...base(id), ['x', 'y\rz']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['x', 'y\0z']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), [`x: y\r\n\r\n${hidden(id)}z`, 'v']] }),
    (id) => ({ fields: [...base(id), ['x y', 'v']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['x:', 'v']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['', 'v']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['Transfer-Encoding', 'chunked']], data: `0\r\n\r\n${hidden(id)}` }),
    (id) => ({ fields: base(id, `GET /ok/${id}${split(id)}`) }),
    (id) => ({ fields: base(id, 'POST\r\n') }),
    (id) => ({ fields: base(id, 'GET', `/ok/${id}${split(id)}`) }),
    (id) => ({ fields: base(id, 'GET', `/ok/${id} x`) }),
    (id) => ({ fields: base(id, 'GET', `ok/${id}`) }),
    (id) => ({ fields: base(id, 'GET', '') }),
    (id) => ({ fields: [...base(id), [':path', `/smuggled/${id}`]] }),
    (id) => ({ fields: [...base(id), ['x', 'y'], [':method', 'GET']] }),
    (id) => ({
      fields: base(id).map(([name, value]) => [name, name === ':authority' ? `a\r\n\r\n${hidden(id)}` : value]),
    }),
    (id) => ({ fields: base(id).map(([name, value]) => [name, name === ':authority' ? 'a/smuggled' : value]) }),
    (id) => ({
      fields: base(id).map(([name, value]) => [name, name === ':scheme' ? `http://a/smuggled/${id}?` : value]),
    }),
    (id) => ({ fields: [...base(id), ['host', `b\r\n\r\n${hidden(id)}`]] }),
    (id) => ({ fields: [...base(id), ['host', 'b'], ['host', 'c']] }),
    (id) => ({ fields: [...base(id), ['connection', 'keep-alive, x']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['upgrade', 'websocket']], data: hidden(id) }),
    (id) => ({ fields: [...base(id), ['cookie', 'a=b'], ['cookie', `c=d\r\n\r\n${hidden(id)}`]] }),
    (id) => ({ fields: base(id), data: 'x', trailers: [['transfer-encoding', 'chunked']] }),
    (id) => ({ fields: base(id), data: 'x', trailers: [['content-length', '0']] }),
    (id) => ({ fields: base(id), data: 'x', trailers: [['x', `y\r\n\r\n${hidden(id)}`]] }),
    (id) => ({ fields: base(id), data: 'x', trailers: [[':path', `/smuggled/${id}`]] }),
    (id) => ({
      fields: [
        [':method', 'CONNECT'],
        [':authority', 'a:80'],
      ],
      data: hidden(id),
    }),
    (id) => ({ fields: [...base(id, 'CONNECT'), [':protocol', 'websocket']], data: hidden(id) }),
    (id) => ({ fields: [...base(id, 'HEAD')], data: hidden(id) }),
    (id) => ({ fields: [...base(id, 'GET'), ['expect', '100-continue']], data: hidden(id) }),
  ];
  return writers.map((write, index) => ({ id: `h2-${index}`, ...write(`h2-${index}`) }));
}
