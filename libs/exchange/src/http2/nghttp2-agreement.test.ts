/** Requests that this library takes are taken by nghttp2 (in node:http2) too, and read the same. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';
import { listenOnLoopback } from '@ambit/testing';
import fc from 'fast-check';

import { defaultServerConnectionSettings, Http2ServerConnection } from '../index.ts';
import { FramePeer } from '../test-support/frames.ts';
import { memoryPair } from '../test-support/memory-channel.ts';
import { RequestLog } from '../test-support/recorders.ts';

type Fields = readonly (readonly [string, string])[];

const oddText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '/',
    '*',
    '/a b',
    '/a\r\nb',
    'a.test',
    'a.test:80',
    'a,b',
    'chunked',
    'trailers',
    '5',
    '0',
    '-1',
    '\t',
  ),
  fc.constantFrom(
    'GET',
    'POST',
    'CONNECT',
    'OPTIONS',
    'get',
    'http',
    'https',
    'ftp',
    'a:b',
    '\x7f',
    '\xe9',
    'a\0b',
    '100-continue',
  ),
  fc.string({ maxLength: 6 }),
);
const oddName = fc.oneof(
  fc.constantFrom(
    ':method',
    ':scheme',
    ':path',
    ':authority',
    ':status',
    ':protocol',
    'host',
    'te',
    'connection',
    'upgrade',
  ),
  fc.constantFrom(
    'content-length',
    'transfer-encoding',
    'keep-alive',
    'proxy-connection',
    'X-Upper',
    'x y',
    'x:',
    'cookie',
    'x',
  ),
);
const plain: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
];

/** A legal list with some fields changed, left out, or added. */
const lists: fc.Arbitrary<Fields> = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.option(oddText, { nil: undefined })), { maxLength: 2 }),
    fc.array(fc.tuple(oddName, oddText), { maxLength: 2 }),
    fc.boolean(),
  )
  .map(([changes, added, isFirst]) => {
    const list: (readonly [string, string])[] = [...plain];
    for (const [index, value] of changes) {
      const field = plain[index];
      const at = list.findIndex((other) => other[0] === field?.[0]);
      if (field === undefined || at < 0) continue;
      if (value === undefined) list.splice(at, 1);
      else list[at] = [field[0], value];
    }
    return isFirst ? [...added, ...list] : [...list, ...added];
  });

/** `method path authority` and fields, or undefined if the request is refused. */
function readByUs(list: Fields): string | undefined {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const log = new RequestLog((served) => served.answer(204));
  const server = new Http2ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
  const peer = new FramePeer(pair.left);
  peer.hello();
  peer.headers(1, list, true);
  pair.settle();
  server.close();
  pair.settle();
  loop[Symbol.dispose]();
  const head = log.served[0]?.exchange.head;
  if (head === undefined) return undefined;
  // As Node shows repeated fields.
  const names = new Set(Array.from({ length: head.fields.length }, (_, i) => head.fields.nameAt(i)));
  const valuesOf = (name: string): string =>
    Array.from({ length: head.fields.length }, (_, i) => i)
      .filter((i) => head.fields.nameAt(i) === name)
      .map((i) => head.fields.valueAt(i))
      .join(', ');
  const fields = [...names].map((name) => `${name}: ${valuesOf(name)}`);
  return JSON.stringify([head.method, head.target, head.authority, fields.toSorted()]);
}

/** The bytes that FramePeer would send. */
function bytesOf(list: Fields): Uint8Array {
  const parts: Uint8Array[] = [];
  const peer = new FramePeer({
    attach() {},
    write(buffer, offset, length) {
      parts.push(Buffer.from(buffer.subarray(offset, offset + length)));
      return true;
    },
    flush() {},
    end() {},
    pause() {},
    resume() {},
    close() {},
    queuedBytes: 0,
  });
  peer.hello();
  peer.headers(1, list, true);
  return Buffer.concat(parts);
}

test('what is taken here is taken by nghttp2, with the same parts', async (context) => {
  const read: string[] = [];
  const server = http2.createServer();
  server.on('sessionError', () => {});
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    const own = new Set([':method', ':path', ':authority', ':scheme', 'host', 'content-length', 'expect']);
    const fields = Object.entries(headers)
      .filter(([name]) => !own.has(name))
      .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') : String(value)}`);
    const authority = headers[':authority'] ?? headers.host ?? '';
    read.push(JSON.stringify([headers[':method'], headers[':path'] ?? '', authority, fields.toSorted()]));
    stream.respond({ ':status': 204 }, { endStream: true });
  });
  context.after(() => server.close());
  const port = await listenOnLoopback(server);
  const readByNghttp2 = async (list: Fields): Promise<string | undefined> => {
    read.length = 0;
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    const seen: Buffer[] = [];
    socket.write(bytesOf(list));
    // The first frame about stream 1, or a GOAWAY, or the end.
    await new Promise<void>((resolve) => {
      socket.on('data', (data: Buffer) => {
        seen.push(data);
        const all = Buffer.concat(seen);
        for (let at = 0; at + 9 <= all.length; at += 9 + all.readUIntBE(at, 3)) {
          if (all.readUInt32BE(at + 5) === 1 || all[at + 3] === 7) resolve();
        }
      });
      socket.on('close', () => resolve());
      socket.setTimeout(2000, () => resolve());
    });
    socket.destroy();
    return read[0];
  };
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(lists, async (list) => {
      const ours = readByUs(list);
      if (ours === undefined) return;
      taken += 1;
      assert.equal(await readByNghttp2(list), ours, JSON.stringify(list));
    }),
    { numRuns: 800 },
  );
  assert.ok(taken > 100, `${taken} requests were taken`);
});
