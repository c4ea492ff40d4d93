/** Session persistence. Spec: Gateway API, GEP-1619. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { route as messages } from '@ambit/api';
import type { MessageInitShape } from '@bufbuild/protobuf';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, service } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

type Session = MessageInitShape<typeof messages.SessionPersistenceSchema>;

const endpoints = { 'shop/one/80/': ['a', 'b', 'c'], 'shop/two/80/': ['d', 'e'] };
const cookie: Session = { carrier: { case: 'cookie', value: { name: 'sid', path: '/cart' } } };

function lab(session: Session): Lab {
  return new Lab({
    upstreams: new FakeUpstreams({ endpoints, connectsAtOnce: true }),
    ports: [
      {
        port: 80,
        httpRoutes: [
          {
            name: 'r',
            session,
            action: forwardTo('one', 'two'),
          },
        ],
      },
    ],
    destinations: [service('one'), service('two')],
  });
}

/** One request; the endpoint that it went to, and what the client was told. */
function visit(table: Lab, headers: Record<string, string> = {}): { readonly endpoint: string; readonly told: string } {
  const client = table.request({ headers });
  const { last } = table.upstreams;
  last.answer(200, 'ok');
  return {
    endpoint: last.endpointId,
    told: String(client.headers?.['set-cookie'] ?? client.headers?.['x-session'] ?? ''),
  };
}

test('a session stays with its backend and its endpoint, whatever the weights say', () => {
  const table = lab(cookie);
  const first = visit(table);
  const second = visit(table);
  assert.notEqual(first.endpoint, second.endpoint, 'backends take turns');
  assert.match(first.told, /^sid=[\w-]{16}\.\w+\.\w+; Path=\/cart; HttpOnly$/);
  for (const { endpoint, told } of [first, second, first, first]) {
    const again = visit(table, { cookie: `other=1; ${told.split(';')[0] ?? ''}` });
    assert.deepEqual(again, { endpoint, told: '' });
  }
  table.assertNothingHeld();
});

test('a name that nobody gave out begins a session anew', () => {
  const table = lab(cookie);
  for (const sid of ['', 'x', 'AAAAAAAAAAAAAAAA.1.1', `${'A'.repeat(16)}.zzzzzz.zzzzzz`, '"', 'a;b']) {
    assert.match(visit(table, { cookie: `sid=${sid}` }).told, /^sid=/);
  }
});

test('sessions end after their absolute and after their idle time', () => {
  for (const limit of [{ absoluteTimeout: { seconds: 100n } }, { idleTimeout: { seconds: 100n } }]) {
    const table = lab({ ...cookie, ...limit });
    let [kept = ''] = visit(table).told.split(';');
    const first = kept;
    for (let i = 0; i < 3; i++) {
      table.timers.advance(40_000);
      const [told = ''] = visit(table, { cookie: kept }).told.split(';');
      if (told !== '') kept = told;
    }
    const isSame = kept.slice(0, 20) === first.slice(0, 20);
    assert.equal(isSame, 'idleTimeout' in limit, 'used every 40 seconds it ends by its age only');
    table.timers.advance(101_000);
    assert.notEqual(visit(table, { cookie: kept }).told, '', 'a new session');
  }
});

test('a permanent cookie lives as long as its session may', () => {
  const permanent: Session = {
    carrier: { case: 'cookie', value: { name: 'sid', permanent: true } },
    absoluteTimeout: { seconds: 3600n },
    idleTimeout: { seconds: 600n },
  };
  const table = lab(permanent);
  const { told } = visit(table);
  assert.match(told, /; Path=\/; Max-Age=3600; HttpOnly$/);
  table.timers.advance(60_000);
  assert.match(visit(table, { cookie: told.split(';')[0] ?? '' }).told, /; Max-Age=3540;/);
});

test('a session by header is told with every answer', () => {
  const table = lab({ carrier: { case: 'header', value: 'X-Session' } });
  const { endpoint, told } = visit(table);
  visit(table);
  assert.deepEqual(visit(table, { 'x-session': told }), { endpoint, told });
});

test('when the endpoint of a session fails, the request goes to another and the session with it', () => {
  const table = lab(cookie);
  const { endpoint, told } = visit(table);
  const client = table.request({ headers: { cookie: told.split(';')[0] ?? '' } });
  assert.equal(table.upstreams.last.endpointId, endpoint);
  table.upstreams.last.break('refused');
  table.timers.advance(1000);
  assert.notEqual(table.upstreams.last.endpointId, endpoint);
  table.upstreams.last.answer(200, 'ok');
  assert.match(String(client.headers?.['set-cookie']), /^sid=/);
  table.assertNothingHeld();
});
