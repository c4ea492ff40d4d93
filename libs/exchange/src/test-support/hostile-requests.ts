/** Requests that two programs could read differently, changes of them, and a proxy that notes what it made of them. */
import http from 'node:http';
import net from 'node:net';

import type { RequestHead } from '../index.ts';
import { responseOf } from './recorders.ts';
import type { SocketRig } from './socket-rig.ts';
import { TrivialProxy } from './trivial-proxy.ts';

export const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
export const post = 'POST / HTTP/1.1\r\nHost: a\r\n';
const get = 'GET / HTTP/1.1\r\n';

/** Name, bytes, status of the answer, and whether a first request is served before. */
export const refused: readonly (readonly [name: string, bytes: string, status: number, served?: number])[] = [
  ['CL.TE', `${post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`, 400],
  ['TE.CL', `${post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${smuggled}\r\n0\r\n\r\n`, 400],
  ['TE.TE, case', `${post}Transfer-Encoding: chunked\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`, 501],
  ['TE list', `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE identity', `${post}Transfer-Encoding: identity\r\n\r\n${smuggled}`, 501],
  ['TE with tab', `${post}Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n`, 400],
  ['TE quoted', `${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 501],
  ['TE folded', `${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE with a space before the colon', `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['two CLs', `${post}Content-Length: 0\r\nContent-Length: 44\r\n\r\n${smuggled}`, 400],
  ['CL list', `${post}Content-Length: 0, 0\r\n\r\n${smuggled}`, 400],
  ['CL signed', `${post}Content-Length: +5\r\n\r\nhello`, 400],
  ['CL hexadecimal', `${post}Content-Length: 0x5\r\n\r\nhello`, 400],
  ['CL empty', `${post}Content-Length:\r\n\r\n${smuggled}`, 400],
  ['CL beyond numbers', `${post}Content-Length: 18446744073709551617\r\n\r\nx`, 400],
  ['chunk extension', `${post}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk extension with LF', `${post}Transfer-Encoding: chunked\r\n\r\n5;\nxx\r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk size with blank', `${post}Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk size overflow', `${post}Transfer-Encoding: chunked\r\n\r\n100000005\r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk ended by LF', `${post}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk longer than said', `${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n`, 400, 1],
  ['framing in trailers', `${post}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n`, 400, 1],
  ['bare LF', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  ['bare LF in a field', `${get}Host: a\nX: y\r\n\r\n`, 400],
  ['bare CR in a field', `${get}Host: a\r\nX: a\rb\r\n\r\n`, 400],
  ['NUL in a value', `${get}Host: a\r\nX: a\0b\r\n\r\n`, 400],
  ['no Host', `${get}\r\n`, 400],
  ['two Hosts', `${get}Host: a\r\nHost: b\r\n\r\n`, 400],
  ['Host list', `${get}Host: a, b\r\n\r\n`, 400],
  ['Host with a path', `${get}Host: a/b\r\n\r\n`, 400],
  ['field without a name', `${get}Host: a\r\n: b\r\n\r\n`, 400],
  ['line without a colon', `${get}Host: a\r\nfoo\r\n\r\n`, 400],
  ['blank before the first field', `${get} Host: a\r\n\r\n`, 400],
  ['two spaces', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['tab as separator', 'GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['HTTP/2 as a version', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['octet above ASCII in the target', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['target without a slash', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['user in an absolute target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['Connection that names Host', `${get}Host: a\r\nConnection: Host\r\n\r\n`, 400],
  ['Connection that names Content-Length', `${post}Content-Length: 5\r\nConnection: Content-Length\r\n\r\nhello`, 400],
  ['CONNECT with a body', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nhello', 400],
  ['empty line first', `\r\n${get}Host: a\r\n\r\n`, 400],
  ['a head that is too long', `${get}Host: a\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ['too many fields', `${get}Host: a\r\n${'X: y\r\n'.repeat(200)}\r\n`, 431],
  ['100,000 fields', `${get}Host: a\r\n${'X: y\r\n'.repeat(100_000)}\r\n`, 431],
  [
    'trailers that are too long',
    `${post}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'y'.repeat(9000)}\r\n\r\n`,
    431,
    1,
  ],
];

/** A proxy that notes what it read. */
export class NotingProxy extends TrivialProxy {
  readonly heads: RequestHead[] = [];

  override onRequest(exchange: Parameters<TrivialProxy['onRequest']>[0]): void {
    // llhttp knows a list of methods only, and what it does not know would look like a body taken for a request.
    if (!http.METHODS.includes(exchange.head.method)) return exchange.respond(responseOf(501), true);
    this.heads.push(exchange.head);
    super.onRequest(exchange);
  }
}

/** Sends damaged requests to a port, eight connections at a time, and cuts them off soon after. The same ones in each run. */
export async function pourDamaged(rig: SocketRig, port: number, rounds: number): Promise<void> {
  let seed = 12_345;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const edits = ['\r\n', '\n', '\r', ' ', '\t', '0', ';', ':', ',', '\0', 'chunked', '\r\n\r\n', 'Host: b\r\n', 'x'];
  const bases = refused.map(([, bytes]) => bytes).filter((bytes) => bytes.length < 1000);
  const mutated = (): string => {
    let text = `GET /first HTTP/1.1\r\nHost: a\r\n\r\n${bases[next(bases.length)] ?? ''}`;
    for (let count = next(4); count > 0; count--) {
      const at = next(text.length);
      text = text.slice(0, at) + (edits[next(edits.length)] ?? '') + text.slice(at + next(3));
    }
    return text;
  };
  for (let round = 0; round < rounds; round++) {
    const sockets = Array.from({ length: 8 }, () => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(mutated(), 'latin1');
      return socket;
    });
    const turns = round + 1;
    for (let turn = 0; turn < 12 + (turns % 3); turn++) {
      await rig.result(new Promise<void>((resolve) => setImmediate(resolve)), 'a turn');
    }
    for (const socket of sockets) socket.destroy();
  }
  await rig.until(
    () => rig.connections.every((connection) => connection.activeExchanges === 0),
    'all exchanges to end',
  );
}

/** Requests that were seen behind the proxy and not by it; a request may be given up on the way, none may appear. */
export function unread(proxy: NotingProxy, seen: readonly string[]): readonly string[] {
  const read = new Map<string, number>();
  for (const head of proxy.heads) {
    const key = `${head.method} ${head.target}`;
    read.set(key, (read.get(key) ?? 0) + 1);
  }
  return seen.filter((request) => {
    const left = read.get(request) ?? 0;
    read.set(request, left - 1);
    return left <= 0;
  });
}
