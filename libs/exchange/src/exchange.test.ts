/** What holds for both versions of HTTP: client and server of this library against each other, under every cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';

import {
  type ClientConnection,
  type ClientExchange,
  defaultClientConnectionSettings,
  defaultHttp2Settings,
  defaultServerConnectionSettings,
  Http1ClientConnection,
  Http1ServerConnection,
  Http2ClientConnection,
  Http2ServerConnection,
  type RequestHead,
  type ServerConnection,
} from './index.ts';
import { memoryPair, type MemoryChannelOptions } from './test-support/memory-channel.ts';
import {
  AnswerLog,
  entriesOf,
  fieldsOf,
  OwnerLog,
  requestOf,
  RequestLog,
  responseOf,
  type ServedExchange,
} from './test-support/recorders.ts';

type Version = 'HTTP/1.1' | 'HTTP/2';
const versions: readonly Version[] = ['HTTP/1.1', 'HTTP/2'];

class Rig {
  readonly loop: EventLoop = new EventLoop();
  readonly owner = new OwnerLog();
  readonly requests: RequestLog;
  readonly client: ClientConnection;
  readonly server: ServerConnection;
  readonly settle: () => void;

  constructor(version: Version, onServed?: (served: ServedExchange) => void, channel: MemoryChannelOptions = {}) {
    const pair = memoryPair(this.loop, channel);
    this.settle = pair.settle;
    this.requests = new RequestLog(onServed);
    const http2 = { ...defaultHttp2Settings, acceptsExtendedConnect: true };
    const serverSettings = { ...defaultServerConnectionSettings, http2 };
    const Server = version === 'HTTP/2' ? Http2ServerConnection : Http1ServerConnection;
    const Client = version === 'HTTP/2' ? Http2ClientConnection : Http1ClientConnection;
    this.server = new Server(pair.right, this.requests, this.loop, serverSettings);
    this.client = new Client(pair.left, this.owner, this.loop, defaultClientConnectionSettings);
    this.settle();
  }

  begin(head: RequestHead, isEnd = true): { readonly log: AnswerLog; readonly exchange: ClientExchange } {
    const log = new AnswerLog();
    const exchange = this.client.request(head, isEnd, log);
    return { log, exchange };
  }
}

const bodyHead = (more: Partial<RequestHead> = {}): RequestHead =>
  requestOf('POST', '/up?x=1', { contentLength: undefined, hasBody: true, ...more });

for (const version of versions) {
  test(`${version}: heads, bodies and trailers arrive as they were sent`, () => {
    const rig = new Rig(version, (served) => {
      const { exchange } = served;
      exchange.respond(responseOf(201, { 'x-answer': 'b', vary: 'a' }), false);
      exchange.write(Buffer.from('xhellox'), 1, 5);
      exchange.end(fieldsOf({ 'grpc-status': '0' }));
    });
    const fields = fieldsOf({ 'x-one': '1', te: 'trailers', cookie: 'a=b' });
    const { log, exchange } = rig.begin(bodyHead({ fields, authority: 'a.test:8080' }), false);
    exchange.write(Buffer.from('abc'), 0, 3);
    rig.settle();
    const served = rig.requests.served[0];
    assert.ok(served !== undefined);
    const { head } = served.exchange;
    assert.equal(
      `${head.method} ${head.authority} ${head.target} ${head.protocol}`,
      `POST a.test:8080 /up?x=1 ${version}`,
    );
    assert.deepEqual(entriesOf(head.fields).toSorted(), ['cookie: a=b', 'te: trailers', 'x-one: 1']);
    assert.deepEqual([log.head?.status, entriesOf(log.head?.fields)], [201, ['x-answer: b', 'vary: a']]);
    assert.deepEqual([log.body, entriesOf(log.trailers), log.isEnded], ['hello', ['grpc-status: 0'], true]);
  });

  test(`${version}: a request streams before its answer, and the answer after it`, () => {
    const rig = new Rig(version);
    const { log, exchange } = rig.begin(bodyHead(), false);
    for (const part of ['one ', 'two ', 'three']) {
      exchange.write(Buffer.from(part), 0, part.length);
      rig.settle();
    }
    const served = rig.requests.served[0];
    assert.deepEqual([served?.body, served?.isEnded], ['one two three', false]);
    exchange.end(fieldsOf({ 'x-sum': '3' }));
    rig.settle();
    assert.deepEqual([served?.isEnded, entriesOf(served?.trailers)], [true, ['x-sum: 3']]);
    served?.answer(200, 'done');
    rig.settle();
    assert.deepEqual([log.body, log.isEnded, log.head?.contentLength], ['done', true, 4]);
    assert.equal(rig.server.activeExchanges + rig.client.activeExchanges, 0);
    assert.ok(rig.client.capacity > 0);
  });

  test(`${version}: methods and statuses without a body`, () => {
    const rig = new Rig(version, (served) => {
      const { method, target } = served.exchange.head;
      if (method === 'HEAD') served.exchange.respond(responseOf(200, {}, 10), true);
      else if (target === '/head-with-body') served.answer(200, 'never');
      else served.exchange.respond(responseOf(Number(target.slice(1))), true);
    });
    for (const [method, target, status, length] of [
      ['HEAD', '/', 200, 10],
      ['GET', '/204', 204, undefined],
      ['GET', '/304', 304, undefined],
      ['DELETE', '/200', 200, undefined],
    ] as const) {
      const { log } = rig.begin(requestOf(method, target));
      rig.settle();
      assert.deepEqual([log.head?.status, log.body, log.isEnded, log.error], [status, '', true, undefined], target);
      if (length !== undefined) assert.equal(log.head?.contentLength, length);
    }
  });

  test(`${version}: 100 and 103 arrive before the final head`, () => {
    const rig = new Rig(version, (served) => {
      assert.equal(served.exchange.head.expectsContinue, true);
      served.exchange.respondInformational(responseOf(103, { link: 'a' }));
      served.exchange.respondInformational(responseOf(100));
    });
    const { log, exchange } = rig.begin(bodyHead({ expectsContinue: true }), false);
    rig.settle();
    assert.deepEqual([log.informational, log.head], [[103, 100], undefined]);
    exchange.write(Buffer.from('go'), 0, 2);
    exchange.end();
    rig.settle();
    rig.requests.served[0]?.answer(200);
    rig.settle();
    assert.deepEqual([log.head?.status, log.isEnded, rig.requests.served[0]?.body], [200, true, 'go']);
  });

  test(`${version}: large bodies both ways, with readers that stop and writers that wait`, () => {
    const size = 1_500_000;
    const text = Buffer.alloc(size, 'abcdefghij');
    let answered = 0;
    const rig = new Rig(version, () => {}, { cut: (waiting) => Math.min(waiting, 9000), highBytes: 40_000 });
    const { log, exchange } = rig.begin(bodyHead(), false);
    rig.settle();
    const served = rig.requests.served[0];
    assert.ok(served !== undefined);
    served.exchange.respond(responseOf(200), false);
    let sent = 0;
    const push = (): void => {
      while (sent < size) {
        const take = Math.min(50_000, size - sent);
        const goesOn = exchange.write(text, sent, take);
        sent += take;
        if (!goesOn && sent < size) return;
      }
      exchange.end();
    };
    log.onWritable = push;
    const pushAnswer = (): void => {
      while (answered < size) {
        const take = Math.min(30_000, size - answered);
        const goesOn = served.exchange.write(text, answered, take);
        answered += take;
        if (!goesOn && answered < size) return;
      }
      if (!served.isEnded) return;
      served.exchange.end();
    };
    served.onWritable = pushAnswer;
    served.onEnd = () => {
      served.isEnded = true;
      if (answered >= size) served.exchange.end();
    };
    served.exchange.pause();
    push();
    rig.settle();
    const before = served.body.length;
    assert.ok(sent < size, 'the writer was stopped');
    assert.ok(before < 300_000);
    served.exchange.resume();
    if (version === 'HTTP/2') exchange.pause();
    rig.settle();
    assert.equal(served.body.length, size);
    pushAnswer();
    rig.settle();
    if (version === 'HTTP/2') {
      assert.ok(answered < size, 'the answer was held back');
      assert.equal(log.body, '');
      exchange.resume();
      rig.settle();
    }
    assert.equal(log.body.length, size);
    assert.equal(log.body === text.toString('latin1'), true);
    assert.equal(log.isEnded, true);
  });

  test(`${version}: an exchange given up by one side ends on the other`, () => {
    const byClient = new Rig(version);
    const first = byClient.begin(bodyHead(), false);
    byClient.settle();
    first.exchange.abort();
    byClient.settle();
    const error = byClient.requests.served[0]?.error;
    assert.equal(error?.kind, version === 'HTTP/2' ? 'reset' : 'lost');
    assert.equal(first.log.error, undefined);
    const byServer = new Rig(version, (served) => served.exchange.abort());
    const second = byServer.begin(bodyHead(), false);
    byServer.settle();
    assert.equal(second.log.error?.kind, version === 'HTTP/2' ? 'reset' : 'lost');
    assert.equal(byServer.requests.served[0]?.error, undefined);
  });

  test(`${version}: an answer cut off by its server is no complete answer`, () => {
    const rig = new Rig(version);
    const { log } = rig.begin(requestOf('GET', '/'));
    rig.settle();
    const { exchange } = rig.requests.served[0] ?? assert.fail('no request');
    exchange.respond(responseOf(200), false);
    exchange.write(Buffer.from('half'), 0, 4);
    rig.settle();
    exchange.abort();
    rig.settle();
    assert.deepEqual([log.body, log.isEnded, log.error === undefined], ['half', false, false]);
  });

  test(`${version}: an answer before the end of the request ends the exchange`, () => {
    const rig = new Rig(version, (served) => served.answer(403, 'no'));
    const { log, exchange } = rig.begin(bodyHead(), false);
    rig.settle();
    assert.deepEqual([log.head?.status, log.body, log.isEnded, log.error], [403, 'no', true, undefined]);
    exchange.write(Buffer.from('late'), 0, 4);
    exchange.end();
    rig.settle();
    assert.equal(rig.requests.served[0]?.body, '');
    assert.equal(rig.server.activeExchanges + rig.client.activeExchanges, 0);
  });

  test(`${version}: a byte stream after an upgrade, with half-closes`, () => {
    const rig = new Rig(version);
    const { log, exchange } = rig.begin(requestOf('GET', '/chat', { upgrade: 'websocket' }), false);
    rig.settle();
    const served = rig.requests.served[0];
    assert.equal(served?.exchange.head.upgrade, 'websocket');
    assert.equal(served?.isEnded, false);
    served?.exchange.respond(responseOf(101), false);
    rig.settle();
    assert.equal(log.head?.status, version === 'HTTP/2' ? 200 : 101);
    exchange.write(Buffer.from('ping'), 0, 4);
    served?.exchange.write(Buffer.from('pong'), 0, 4);
    rig.settle();
    assert.deepEqual([served?.body, log.body], ['ping', 'pong']);
    served?.exchange.end();
    rig.settle();
    assert.equal(log.isEnded, true);
    exchange.write(Buffer.from('more'), 0, 4);
    exchange.end();
    rig.settle();
    assert.deepEqual(
      [served?.body, served?.isEnded, served?.error, log.error],
      ['pingmore', true, undefined, undefined],
    );
    assert.equal(rig.server.activeExchanges, 0);
  });

  test(`${version}: drain on either side lets exchanges end and then closes`, () => {
    for (const side of ['client', 'server'] as const) {
      const rig = new Rig(version);
      const { log } = rig.begin(requestOf('GET', '/'));
      rig.settle();
      rig[side].drain();
      rig.settle();
      assert.equal(rig.owner.isClosed, false);
      rig.requests.served[0]?.answer(200, 'ok');
      rig.settle();
      assert.deepEqual([log.body, log.error, rig.client.isDone], ['ok', undefined, true], side);
      const deadline = performance.now() + 5000;
      while (!(rig.owner.isClosed && rig.requests.isClosed) && performance.now() < deadline) rig.loop.runOnce(20);
      assert.deepEqual([rig.owner.isClosed, rig.requests.isClosed], [true, true], side);
      assert.deepEqual([rig.owner.error, rig.requests.error], [undefined, undefined]);
    }
  });

  test(`${version}: close tells the exchanges and the other side`, () => {
    const rig = new Rig(version);
    const { log } = rig.begin(requestOf('GET', '/'));
    rig.settle();
    rig.client.close();
    const inside: unknown = log.error;
    assert.equal(inside, undefined);
    rig.settle();
    assert.equal(log.error?.kind, 'closed');
    assert.notEqual(rig.requests.served[0]?.error, undefined);
  });

  test(`${version}: any cut of the bytes gives the same exchanges`, () => {
    const run = (size: number): string => {
      const cut = (): number => size;
      const rig = new Rig(version, (served) => served.exchange.respondInformational(responseOf(103)), { cut });
      const results: unknown[] = [];
      for (const [index, text] of ['first body', ''].entries()) {
        const { log, exchange } = rig.begin(
          bodyHead({ fields: fieldsOf({ te: 'trailers', a: 'x'.repeat(300) }) }),
          false,
        );
        if (text !== '') exchange.write(Buffer.from(text), 0, text.length);
        exchange.end(index === 0 ? fieldsOf({ t: '1' }) : undefined);
        rig.settle();
        const served = rig.requests.served[index];
        served?.exchange.respond(responseOf(200, { b: 'c' }), false);
        served?.exchange.write(Buffer.from(served.body), 0, served.body.length);
        served?.exchange.end(fieldsOf({ u: '2' }));
        rig.settle();
        results.push([
          log.informational,
          log.head?.status,
          entriesOf(log.head?.fields),
          log.body,
          entriesOf(log.trailers),
        ]);
        results.push([
          served?.isEnded,
          entriesOf(served?.trailers),
          entriesOf(served?.exchange.head.fields),
          log.isEnded,
        ]);
      }
      return JSON.stringify(results);
    };
    const whole = run(Number.POSITIVE_INFINITY);
    assert.match(whole, /first body/);
    for (const size of [1, 2, 3, 5, 8, 9, 10, 17, 100]) assert.equal(run(size), whole, `pieces of ${size}`);
  });
}

test('HTTP/2: streams share a connection fairly', () => {
  const rig = new Rig('HTTP/2', undefined, { cut: (waiting) => Math.min(waiting, 20_000), highBytes: 30_000 });
  const logs = [0, 1, 2].map(() => rig.begin(requestOf('GET', '/')).log);
  rig.settle();
  const big = Buffer.alloc(250_000, 'x');
  for (const served of rig.requests.served) {
    served.exchange.respond(responseOf(200), false);
    served.exchange.write(big, 0, big.length);
    served.exchange.end();
  }
  let spread = 0;
  for (let turn = 0; turn < 200 && logs.some((log) => !log.isEnded); turn++) {
    rig.loop.runOnce(0);
    const sizes = logs.map((log) => log.body.length);
    if (Math.max(...sizes) > 150_000) spread = Math.max(spread, Math.max(...sizes) - Math.min(...sizes));
  }
  rig.settle();
  assert.ok(logs.every((log) => log.isEnded && log.body.length === big.length));
  // The first stream may have filled the output before the others began; from then on they take turns.
  assert.ok(spread < 250_000, `spread of ${spread} bytes`);
});

test('HTTP/2: answers that nobody reads do not stop another of the same connection', () => {
  const rig = new Rig('HTTP/2');
  const big = Buffer.alloc(1_000_000, 'x');
  const unread = Array.from({ length: 60 }, () => rig.begin(requestOf('GET', '/')));
  for (const { exchange } of unread) exchange.pause();
  rig.settle();
  const { log } = rig.begin(requestOf('GET', '/'));
  rig.settle();
  for (const served of rig.requests.served) {
    served.exchange.respond(responseOf(200), false);
    served.exchange.write(big, 0, big.length);
    served.exchange.end();
  }
  for (let turn = 0; turn < 5000 && !log.isEnded; turn++) rig.loop.runOnce(0);
  assert.equal(log.body.length, big.length);
  assert.ok(log.isEnded);
});
