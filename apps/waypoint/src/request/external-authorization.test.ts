/** CUSTOM with HTTP providers. Spec: contract l7 4.2, 4.7. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { access } from '@ambit/api';
import { ExchangeError } from '@ambit/exchange';

import { type FakeAttempt, FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, service } from './test-support/lab.ts';

const { CUSTOM, DENY } = access.AuthorizationPolicy_Action;
const custom = (provider: string, path = '*'): object => ({
  namespace: 'shop',
  name: provider,
  action: CUSTOM,
  provider,
  rules: [{ to: [{ attributes: [{ field: 'paths', values: [path] }] }] }],
});
const denyDelete = {
  namespace: 'shop',
  name: 'd',
  action: DENY,
  rules: [{ to: [{ attributes: [{ field: 'methods', values: ['DELETE'] }] }] }],
};

function labWith(provider: object = {}, policies: readonly object[] = [custom('ask')]): Lab {
  const http = {
    includedHeaders: ['x-session', 'x-a*'],
    headersToUpstream: ['x-user'],
    addedHeaders: { 'x-from': 'ambit' },
  };
  const asked = {
    name: 'ask',
    namespace: 'auth',
    hostname: 'auth',
    port: 8000,
    protocol: { case: 'http', value: http },
    ...provider,
  };
  const second = { ...asked, name: 'second', hostname: 'second' };
  return new Lab({
    proxy: { providers: [asked, second] as never },
    access: { policies: [...policies] },
    destinations: [service('auth', { namespace: 'auth' }), service('second', { namespace: 'auth' })],
    upstreams: new FakeUpstreams({ connectsAtOnce: true }),
  });
}

const isQuestion = ({ target }: FakeAttempt): boolean => target.key.startsWith('auth/');

test('a provider is asked with method, path, host and the headers that are named', () => {
  const lab = labWith({
    protocol: {
      case: 'http',
      value: { pathPrefix: '/check', includedHeaders: ['x-session', 'x-a*'], addedHeaders: { 'x-from': 'ambit' } },
    },
  });
  lab.request({
    method: 'PUT',
    target: '/a?b=c',
    headers: { 'x-session': '1', 'x-abc': '2', 'x-other': '3', authorization: 'Basic x' },
  });
  assert.deepEqual(lab.upstreams.last.sent, {
    method: 'PUT',
    authority: 'shop.example.com',
    target: '/check/a?b=c',
    headers: { 'x-session': '1', 'x-abc': '2', authorization: 'Basic x', 'x-from': 'ambit' },
  });
});

test('200 lets the request pass with the headers that it adds', () => {
  const lab = labWith({
    protocol: { case: 'http', value: { headersToUpstream: ['x-user'], headersToDownstreamOnAllow: ['x-seen'] } },
  });
  const client = lab.request({ headers: { 'x-user': 'forged' } });
  lab.upstreams.last.answer(200, '', { 'x-user': 'alice', 'x-seen': 'yes', 'x-other': 'no' });
  assert.equal(isQuestion(lab.upstreams.last), false);
  assert.equal(lab.upstreams.last.sent?.headers['x-user'], 'alice');
  assert.equal(lab.upstreams.last.sent?.headers['x-other'], undefined);
  lab.upstreams.last.answer(200, 'ok');
  assert.deepEqual([client.body, client.headers['x-seen']], ['ok', 'yes']);
  lab.assertNothingHeld();
});

test('another answer is the client’s, with its headers', () => {
  const lab = labWith();
  const client = lab.request();
  lab.upstreams.last.answer(302, 'log in', { location: '/login', 'set-cookie': 'a=b' });
  assert.deepEqual(
    [client.status, client.body, client.headers['location'], client.headers['set-cookie']],
    [302, 'log in', '/login', 'a=b'],
  );
  assert.deepEqual([lab.record.flags, lab.record.details], ['UAEX', 'ext_authz_denied']);
  assert.equal(lab.upstreams.attempts.length, 1);
  const listed = labWith({ protocol: { case: 'http', value: { headersToDownstreamOnDeny: ['x-why'] } } });
  const refused = listed.request();
  listed.upstreams.last.answer(401, '', { 'x-why': 'so', 'x-secret': '1', 'www-authenticate': 'Basic' });
  assert.deepEqual(
    [refused.headers['x-why'], refused.headers['x-secret'], refused.headers['www-authenticate']],
    ['so', undefined, 'Basic'],
  );
  lab.assertNothingHeld();
});

test('a provider that fails closes, unless it is to open', () => {
  for (const end of ['refused', 'lost', '500', 'late', 'none'] as const) {
    for (const failOpen of [false, true]) {
      const lab = labWith({ failOpen, statusOnError: 503, timeout: { seconds: 2n } });
      if (end === 'none') lab.upstreams.failure = 'no-endpoint';
      const client = lab.request();
      const { attempts } = lab.upstreams;
      if (end === 'lost' || end === 'refused') attempts[0]?.break('lost');
      if (end === '500') attempts[0]?.answer(500, 'oops');
      lab.timers.advance(2000);
      if (end === 'none') {
        assert.equal(client.status, 503);
      } else if (failOpen) {
        assert.equal(isQuestion(lab.upstreams.last), false, end);
        lab.upstreams.last.answer(200, 'ok');
        assert.equal(client.body, 'ok');
      } else {
        assert.deepEqual([client.status, client.body, lab.record.details], [503, '', 'ext_authz_error'], end);
      }
      lab.assertNothingHeld();
    }
  }
});

test('providers are asked one after the other in the order of their names, before DENY', () => {
  const lab = labWith({}, [denyDelete, custom('second'), custom('ask')]);
  const client = lab.request({ method: 'DELETE' });
  assert.equal(lab.upstreams.last.target.key, 'auth/auth/8000/');
  lab.upstreams.last.answer(200);
  assert.equal(lab.upstreams.last.target.key, 'auth/second/8000/');
  lab.upstreams.last.answer(200);
  assert.equal(client.status, 403);
  assert.equal(lab.record.flags, '');
});

test('what the policy does not match is not asked about', () => {
  const lab = labWith({}, [custom('ask', '/admin')]);
  lab.request({ target: '/' });
  assert.equal(isQuestion(lab.upstreams.last), false);
});

test('a body is held, shown as far as wanted, and sent on whole', () => {
  const lab = labWith({ maxBodyBytes: 8, allowPartialBody: true });
  const client = lab.request({ method: 'POST', hasBody: true });
  assert.equal(lab.upstreams.attempts.length, 0);
  client.sendBody('12345');
  assert.equal(lab.upstreams.attempts.length, 0);
  client.sendBody('67890');
  const question = lab.upstreams.last;
  assert.deepEqual(
    [question.body, question.isEnded, question.sent?.headers['x-envoy-auth-partial-body']],
    ['12345678', true, 'true'],
  );
  assert.equal(client.isPaused, true);
  client.sendBody('late');
  question.answer(200);
  assert.equal(client.isPaused, false);
  client.sendEnd();
  assert.deepEqual([lab.upstreams.last.body, lab.upstreams.last.isEnded], ['1234567890late', true]);
  lab.upstreams.last.answer(200, 'ok');
  lab.assertNothingHeld();
});

test('a body that ends early is shown whole; one that is too large is refused', () => {
  const lab = labWith({ maxBodyBytes: 8 });
  const client = lab.request({ method: 'POST', hasBody: true });
  client.sendBody('123');
  client.sendEnd();
  assert.deepEqual(
    [lab.upstreams.last.body, lab.upstreams.last.sent?.headers['x-envoy-auth-partial-body']],
    ['123', 'false'],
  );
  lab.upstreams.last.answer(200);
  assert.deepEqual([lab.upstreams.last.body, lab.upstreams.last.isEnded], ['123', true]);
  lab.upstreams.last.answer(200, 'ok');
  assert.equal(client.body, 'ok');
  const large = lab.request({ method: 'POST', hasBody: true });
  large.sendBody('123456789');
  assert.equal(large.status, 413);
  lab.assertNothingHeld();
});

test('whether a body of just the wanted size is all of it is known at its end only', () => {
  const lab = labWith({ maxBodyBytes: 8, allowPartialBody: true });
  const client = lab.request({ method: 'POST', hasBody: true });
  client.sendBody('12345678');
  assert.equal(lab.upstreams.attempts.length, 0);
  client.sendEnd();
  const { body, sent } = lab.upstreams.last;
  assert.deepEqual([body, sent?.headers['x-envoy-auth-partial-body']], ['12345678', 'false']);
});

test('a refusal drops what was held of the body', () => {
  const lab = labWith({ maxBodyBytes: 100 });
  const client = lab.request({ method: 'POST', hasBody: true });
  client.sendBody('123');
  client.sendEnd();
  lab.upstreams.last.answer(403, 'no');
  assert.equal(client.status, 403);
  lab.assertNothingHeld();
  const left = lab.request({ method: 'POST', hasBody: true });
  left.sendBody('123');
  left.leave(new ExchangeError('lost', 'gone'));
  lab.assertNothingHeld();
});

test('a client that leaves takes the question back', () => {
  const lab = labWith();
  const client = lab.request();
  client.leave(new ExchangeError('lost', 'gone'));
  assert.equal(lab.upstreams.last.isAborted, true);
  lab.assertNothingHeld();
});

test('an answer without end is no answer', () => {
  const lab = labWith();
  const client = lab.request();
  lab.upstreams.last.respond(200);
  for (let i = 0; i < 3 && !lab.upstreams.last.isAborted; i++) lab.upstreams.last.sendBody('x'.repeat(40_000));
  assert.equal(client.status, 403);
  lab.assertNothingHeld();
});

test('pending questions are bounded', () => {
  const lab = new Lab({
    proxy: {
      providers: [
        { name: 'ask', namespace: 'auth', hostname: 'auth', port: 8000, protocol: { case: 'http', value: {} } },
      ],
    },
    access: { policies: [custom('ask')] },
    destinations: [service('auth', { namespace: 'auth' })],
    copyBytes: 10_000,
  });
  const clients = [lab.request(), lab.request(), lab.request()];
  assert.deepEqual(
    clients.map(({ status }) => status),
    [undefined, undefined, 503],
  );
});
