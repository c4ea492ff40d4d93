import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ExchangeError } from '@ambit/exchange';

import { type FakeAttempt, FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, type LabOptions, service } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const backend = (
  hostname: string,
): { readonly namespace: string; readonly hostname: string; readonly port: number } => ({
  namespace: 'shop',
  hostname,
  port: 80,
});

function labWith(perMillion: number, options: LabOptions = {}): Lab {
  const httpRoutes = [{ name: 'r', action: forwardTo('main'), mirrors: [{ backend: backend('copy'), perMillion }] }];
  return new Lab({
    ports: [{ port: 80, httpRoutes }],
    destinations: [service('main'), service('copy')],
    upstreams: new FakeUpstreams(),
    ...options,
  });
}

function pair(lab: Lab): { readonly main: FakeAttempt; readonly copy: FakeAttempt } {
  const of = (hostname: string): FakeAttempt => {
    const found = lab.upstreams.attempts.find(
      ({ target }) => target.kind === 'service' && target.hostname === hostname,
    );
    if (found === undefined) throw new Error(`no attempt at ${hostname}`);
    return found;
  };
  return { main: of('main'), copy: of('copy') };
}

test('a mirror gets head and body of its own; its answer is nobody’s', () => {
  const lab = labWith(1_000_000);
  const client = lab.request({ method: 'POST', target: '/buy', hasBody: true, headers: { 'x-a': '1' } });
  const { main, copy } = pair(lab);
  copy.connect();
  client.sendBody('one ');
  main.connect();
  client.sendBody('two');
  client.sendEnd();
  assert.deepEqual([main.body, copy.body, copy.isEnded], ['one two', 'one two', true]);
  assert.equal(copy.sent?.target, '/buy');
  assert.equal(copy.sent?.authority, 'shop.example.com', 'no -shadow');
  copy.answer(500, 'bad copy');
  main.answer(200, 'ok');
  assert.deepEqual([client.status, client.body, lab.record.target?.key], [200, 'ok', 'shop/main/80/']);
  lab.assertNothingHeld();
});

test('a mirror that cannot be reached, breaks, or is slow changes nothing', () => {
  for (const trouble of ['refused', 'lost', 'slow'] as const) {
    const lab = labWith(1_000_000);
    const client = lab.request({ method: 'POST', hasBody: true });
    const { main, copy } = pair(lab);
    main.connect();
    if (trouble === 'refused') copy.failToConnect();
    if (trouble === 'lost') copy.connect().break('lost');
    if (trouble === 'slow') copy.connect().isWritable = false;
    const piece = 'x'.repeat(600_000);
    client.sendBody(piece);
    client.sendBody(piece);
    assert.equal(client.isPaused, false, 'a mirror does not slow');
    client.sendEnd();
    main.answer(200, 'ok');
    assert.equal(client.body, 'ok');
    if (trouble === 'slow') assert.equal(copy.isAborted, true);
    lab.timers.advance(60_000);
    lab.assertNothingHeld();
  }
});

test('a mirror outlives the answer of the request, for a while', () => {
  const lab = labWith(1_000_000);
  const client = lab.request();
  const { main, copy } = pair(lab);
  copy.connect();
  main.connect().answer(200, 'ok');
  assert.equal(client.isEnded, true);
  assert.equal(copy.isAborted, false);
  lab.timers.advance(60_000);
  assert.equal(copy.isAborted, true);
  lab.assertNothingHeld();
});

test('a request that is given up takes its unfinished mirror with it', () => {
  const lab = labWith(1_000_000);
  const client = lab.request({ method: 'POST', hasBody: true });
  const { copy } = pair(lab);
  copy.connect();
  client.leave(new ExchangeError('lost', 'gone'));
  assert.equal(copy.isAborted, true);
  lab.assertNothingHeld();
});

test('a share of requests is mirrored', () => {
  let drawn = 0;
  const lab = labWith(250_000, { random: () => (drawn++ % 100) / 100 });
  for (let i = 0; i < 400; i++) lab.request();
  const copies = lab.upstreams.attempts.filter(({ target }) => target.key === 'shop/copy/80/');
  assert.equal(copies.length, 100);
});

test('a mirror without endpoint is left out', () => {
  const upstreams = new FakeUpstreams({ endpoints: { 'shop/copy/80/': [] }, connectsAtOnce: true });
  const lab = labWith(1_000_000, { upstreams });
  const client = lab.request({ method: 'POST', hasBody: true });
  client.sendBody('x');
  client.sendEnd();
  lab.upstreams.last.answer(200, 'ok');
  assert.equal(client.body, 'ok');
  lab.assertNothingHeld();
});
