/** CUSTOM with gRPC providers. Spec: contract l7 4.7. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { access, authorization } from '@ambit/api';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';

import type { FakeAttempt } from './test-support/fake-upstreams.ts';
import { Lab, service } from './test-support/lab.ts';

const policy = {
  namespace: 'shop',
  name: 'c',
  action: access.AuthorizationPolicy_Action.CUSTOM,
  provider: 'ask',
  rules: [{}],
};

function lab(provider: object = {}): Lab {
  const asked = {
    name: 'ask',
    namespace: 'auth',
    hostname: 'auth',
    port: 9000,
    protocol: { case: 'grpc', value: {} },
    ...provider,
  };
  return new Lab({
    proxy: { providers: [asked] as never },
    access: { policies: [policy] },
    destinations: [service('auth', { namespace: 'auth' })],
  });
}

function questionOf(attempt: FakeAttempt): authorization.CheckRequest {
  const frame = Buffer.from(attempt.body, 'latin1');
  assert.equal(frame.readUInt32BE(1), frame.length - 5);
  return fromBinary(authorization.CheckRequestSchema, frame.subarray(5));
}

function answer(
  attempt: FakeAttempt,
  message: MessageInitShape<typeof authorization.CheckResponseSchema>,
  status = '0',
): void {
  const bytes = toBinary(authorization.CheckResponseSchema, create(authorization.CheckResponseSchema, message));
  const frame = Buffer.concat([Buffer.of(0, 0, 0, 0, bytes.length), bytes]);
  attempt.respond(200, { 'content-type': 'application/grpc' });
  attempt.sendBytes(frame);
  attempt.sendEnd({ 'grpc-status': status });
}

test('a gRPC provider is told who asks for what', () => {
  const table = lab();
  table.request({ method: 'PUT', target: '/a?b=c', headers: { 'x-list': ['1', '2'] } });
  const { last } = table.upstreams;
  assert.equal(last.target.key, 'auth/auth/9000/');
  assert.deepEqual([last.sent?.method, last.sent?.target], ['POST', '/envoy.service.auth.v3.Authorization/Check']);
  assert.deepEqual([last.sent?.headers['content-type'], last.sent?.headers['te']], ['application/grpc', 'trailers']);
  const { source, destination, request } = questionOf(last).attributes ?? {};
  assert.equal(source?.principal, 'spiffe://cluster.local/ns/web/sa/frontend');
  assert.deepEqual(
    [source?.address?.socketAddress?.address, source?.address?.socketAddress?.portValue],
    ['10.1.0.7', 43210],
  );
  assert.equal(destination?.address?.socketAddress?.address, '10.96.0.5');
  const { http } = request ?? {};
  assert.deepEqual([http?.method, http?.path, http?.host, http?.size], ['PUT', '/a?b=c', 'shop.example.com', 0n]);
  assert.deepEqual([http?.headers['x-list'], http?.headers[':path']], ['1,2', '/a?b=c']);
});

test('OK lets the request pass, edited as asked', () => {
  const table = lab();
  const client = table.request({ headers: { 'x-set': 'old', 'x-gone': '1', 'x-add': 'one', 'x-there': '1' } });
  const { OVERWRITE_IF_EXISTS, ADD_IF_ABSENT } = authorization.HeaderValueOption_HeaderAppendAction;
  answer(table.upstreams.last, {
    status: { code: 0 },
    httpResponse: {
      case: 'okResponse',
      value: {
        headers: [
          { header: { key: 'X-Set', value: 'new' } },
          { header: { key: 'x-add', value: 'two' }, append: true },
          { header: { key: 'x-there', value: 'kept?' }, appendAction: ADD_IF_ABSENT },
          { header: { key: 'x-absent', value: 'no' }, appendAction: OVERWRITE_IF_EXISTS },
          { header: { key: 'content-length', value: '7' } },
          { header: { key: 'x-bad', value: 'a\r\nb: c' } },
        ],
        headersToRemove: ['X-Gone', 'host'],
        responseHeadersToAdd: [{ header: { key: 'x-seen', value: 'yes' } }],
      },
    },
  });
  const headers = table.upstreams.last.sent?.headers ?? {};
  assert.deepEqual(
    ['x-set', 'x-gone', 'x-add', 'x-there', 'x-absent', 'content-length', 'x-bad'].map((name) => headers[name]),
    ['new', undefined, 'one,two', '1', undefined, undefined, undefined],
  );
  table.upstreams.last.answer(200, 'ok');
  assert.deepEqual([client.body, client.headers['x-seen']], ['ok', 'yes']);
  table.assertNothingHeld();
});

test('anything else refuses, with the status and the words of the provider', () => {
  const table = lab();
  const plain = table.request();
  answer(table.upstreams.last, { status: { code: 7 } });
  assert.deepEqual([plain.status, plain.body, table.record.flags], [403, '', 'UAEX']);
  const worded = table.request();
  const value = { status: { code: 401 }, headers: [{ header: { key: 'x-why', value: 'so' } }], body: 'who?' };
  answer(table.upstreams.last, { status: { code: 16 }, httpResponse: { case: 'deniedResponse', value } });
  assert.deepEqual([worded.status, worded.body, worded.headers['x-why']], [401, 'who?', 'so']);
  const silent = table.request();
  answer(table.upstreams.last, {});
  assert.equal(silent.status, 403, 'nothing said is no permission');
  const brief = table.request();
  answer(table.upstreams.last, { httpResponse: { case: 'okResponse', value: {} } });
  table.upstreams.last.answer(200, 'ok');
  assert.equal(brief.body, 'ok');
  table.assertNothingHeld();
});

test('what is no answer of the protocol is a failure: closed, or open where that is wanted', () => {
  for (const broken of [
    (attempt: FakeAttempt): void => attempt.answer(200, 'ok', { 'grpc-status': '0' }),
    (attempt: FakeAttempt): void => attempt.answer(503, 'busy'),
    (attempt: FakeAttempt): void => answer(attempt, { status: { code: 0 } }, '14'),
    (attempt: FakeAttempt): void => attempt.break('lost'),
  ]) {
    const closed = lab();
    const refused = closed.request();
    broken(closed.upstreams.last);
    assert.deepEqual([refused.status, closed.record.details], [403, 'ext_authz_error']);
    const open = lab({ failOpen: true });
    open.request();
    broken(open.upstreams.last);
    assert.equal(open.upstreams.last.target.key, 'shop/shop.shop.svc.cluster.local/80/');
  }
});
