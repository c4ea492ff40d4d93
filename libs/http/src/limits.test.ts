import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  canReceive,
  canSend,
  HeaderList,
  Http2AbuseMeter,
  Http2Error,
  nextStreamState,
  ReceiveWindow,
  requestProblem,
  responseProblem,
  SendWindow,
  trailersProblem,
} from './index.ts';
import type { StreamEvent, StreamState } from './index.ts';

test('a bucket admits its burst, then its rate, and not more', () => {
  const meter = new Http2AbuseMeter();
  for (let i = 0; i < 30; i++) meter.note('settings', 0);
  assert.throws(() => meter.note('settings', 0), Http2Error);
  const patient = new Http2AbuseMeter();
  for (let i = 0; i < 1000; i++) patient.note('settings', i * 1000);
});

test('WINDOW_UPDATEs are allowed in proportion to the data sent', () => {
  const meter = new Http2AbuseMeter();
  for (let i = 0; i < 2000 + 50 + 3; i++) meter.noteWindowUpdate(5, 3 * 1024);
  assert.throws(() => meter.noteWindowUpdate(5, 3 * 1024), /windowUpdate/);
});

test('a receive window gives back what was consumed, in halves, and never more', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 1000 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 50 }),
      (size, pieces) => {
        const window = new ReceiveWindow(1, size);
        let peer = size;
        for (const piece of pieces) {
          if (piece > peer) {
            assert.throws(() => window.receive(piece), Http2Error);
            continue;
          }
          window.receive(piece);
          peer -= piece;
          peer += window.release(piece);
          assert.ok(peer <= size && peer * 2 >= size - 1);
          assert.equal(window.available, peer);
        }
      },
    ),
    { seed: 3, numRuns: 300 },
  );
});

test('a send window refuses to pass 2^31 - 1 and may go below zero', () => {
  const window = new SendWindow(3, 100);
  window.increase(-300);
  assert.equal(window.available, -200);
  window.increase(0x7fffffff);
  assert.throws(
    () => window.increase(201),
    (error) => error instanceof Http2Error && error.streamId === 3,
  );
});

test('stream states follow RFC 9113 figure 2', () => {
  const table: [StreamState, StreamEvent, StreamState | undefined][] = [
    ['idle', 'headers', 'open'],
    ['idle', 'receivedReset', undefined],
    ['idle', 'receivedEnd', undefined],
    ['open', 'headers', undefined],
    ['open', 'sentEnd', 'halfClosedLocal'],
    ['open', 'receivedEnd', 'halfClosedRemote'],
    ['open', 'sentReset', 'closed'],
    ['halfClosedLocal', 'receivedEnd', 'closed'],
    ['halfClosedLocal', 'sentEnd', undefined],
    ['halfClosedRemote', 'sentEnd', 'closed'],
    ['halfClosedRemote', 'receivedEnd', undefined],
    ['closed', 'sentEnd', undefined],
  ];
  for (const [from, event, to] of table) assert.equal(nextStreamState(from, event), to, `${from} ${event}`);
  assert.ok(canSend('halfClosedRemote') && !canSend('halfClosedLocal'));
  assert.ok(canReceive('halfClosedLocal') && !canReceive('halfClosedRemote'));
});

function list(...fields: [string, string][]): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.onHeader(name, value);
  return headers;
}

test('a plain CONNECT has method and authority and nothing else with a colon', () => {
  const connect: [string, string][] = [
    [':method', 'CONNECT'],
    [':authority', '10.0.0.1:80'],
  ];
  const good = list(...connect, ['baggage', 'k8s.namespace.name=a']);
  assert.equal(requestProblem(good), undefined);
  assert.equal(good.get('baggage'), 'k8s.namespace.name=a');
  assert.match(requestProblem(list(...connect, [':path', '/'])) ?? '', /:path/);
  assert.match(requestProblem(list(...connect, [':protocol', 'websocket'])) ?? '', /:protocol/);
  assert.match(requestProblem(list([':method', 'CONNECT'])) ?? '', /:authority/);
  assert.match(requestProblem(list([':method', 'GET'], [':scheme', 'https'])) ?? '', /:path/);
});

for (const [title, fields] of [
  ['upper case', [['Baggage', 'x']]],
  ['a blank in the name', [['a b', 'x']]],
  ['an empty name', [['', 'x']]],
  ['a line feed in the value', [['a', 'x\ny']]],
  ['a NUL in the value', [['a', '\0']]],
  ['a leading blank', [['a', ' x']]],
  ['connection', [['connection', 'close']]],
  ['te: gzip', [['te', 'gzip']]],
  ['an unknown pseudo field', [[':foo', 'x']]],
  [
    'a repeated pseudo field',
    [
      [':authority', 'x'],
      [':authority', 'x'],
    ],
  ],
  [
    'a pseudo field after a regular one',
    [
      ['a', 'x'],
      [':authority', 'x'],
    ],
  ],
] as [string, [string, string][]][]) {
  test(`a list with ${title} is malformed`, () => {
    assert.notEqual(list(...fields).problem, undefined);
  });
}

test('responses have a status of three digits and trailers have no pseudo fields', () => {
  assert.equal(responseProblem(list([':status', '200'])), undefined);
  assert.notEqual(responseProblem(list([':status', '2000'])), undefined);
  assert.notEqual(responseProblem(list(['a', 'b'])), undefined);
  assert.notEqual(responseProblem(list([':status', '200'], [':path', '/'])), undefined);
  assert.equal(trailersProblem(list(['a', 'b'])), undefined);
  assert.notEqual(trailersProblem(list([':status', '200'])), undefined);
});
