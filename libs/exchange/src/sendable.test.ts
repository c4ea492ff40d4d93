import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';

import {
  defaultClientConnectionSettings,
  defaultServerConnectionSettings,
  Http1ClientConnection,
  Http1ServerConnection,
  Http2ClientConnection,
  Http2ServerConnection,
} from './index.ts';
import { sendableTarget } from './sendable.ts';
import { memoryPair } from './test-support/memory-channel.ts';
import {
  AnswerLog,
  entriesOf,
  fieldsOf,
  OwnerLog,
  requestOf,
  RequestLog,
  responseOf,
} from './test-support/recorders.ts';

test('a target is one part of a request line, whatever a rewrite made of it', () => {
  for (const [target, expected] of [
    ['/a?b=c%20d', '/a?b=c%20d'],
    ['*', '*'],
    ['/a b', '/a%20b'],
    ['/a HTTP/1.1\r\nx: y', '/a%20HTTP/1.1%0D%0Ax:%20y'],
    ['/\xe9\u1234', '/%E9%3F'],
    ['a', '/a'],
    ['', '/'],
  ] as const) {
    assert.equal(sendableTarget(target), expected);
  }
});

test('fields that a filter added about framing and connection do not go out', () => {
  const added = {
    'content-length': '5',
    'transfer-encoding': 'chunked',
    connection: 'close',
    host: 'b',
    te: 'gzip',
    x: 'y',
  };
  for (const [Server, Client] of [
    [Http1ServerConnection, Http1ClientConnection],
    [Http2ServerConnection, Http2ClientConnection],
  ] as const) {
    const loop = new EventLoop();
    const pair = memoryPair(loop);
    const requests = new RequestLog((served) => served.exchange.respond(responseOf(200, added), true));
    const server = new Server(pair.right, requests, loop, defaultServerConnectionSettings);
    const client = new Client(pair.left, new OwnerLog(), loop, defaultClientConnectionSettings);
    const log = new AnswerLog();
    client.request(requestOf('GET', '/a b', { fields: fieldsOf(added) }), true, log);
    pair.settle();
    const head = requests.served[0]?.exchange.head;
    assert.deepEqual([head?.target, head?.authority, entriesOf(head?.fields)], ['/a%20b', 'test.local', ['x: y']]);
    assert.deepEqual([log.head?.status, entriesOf(log.head?.fields), log.isEnded], [200, ['x: y'], true]);
    assert.equal(server.activeExchanges, 0);
  }
});
