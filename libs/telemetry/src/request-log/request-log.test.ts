import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  defaultJsonLogFormat,
  defaultLogFormat,
  jsonLogFormat,
  LineBuffer,
  type LogConstants,
  type LoggedRequest,
  logText,
  type LogValueName,
  parseLogFormat,
  type RequestLogFormat,
  textLogFormat,
} from '../index.ts';

const values: Partial<Record<LogValueName, string | number>> = {
  PROTOCOL: 'HTTP/1.1',
  RESPONSE_CODE: 200,
  RESPONSE_CODE_DETAILS: 'via_upstream',
  GRPC_STATUS_NUMBER: 4,
  BYTES_RECEIVED: 0,
  BYTES_SENT: 1024,
  DURATION: 3,
  UPSTREAM_HOST: '10.1.2.3:8080',
  UPSTREAM_CLUSTER_RAW: 'inbound-vip|80|http|shop.ns.svc.cluster.local',
  DOWNSTREAM_LOCAL_ADDRESS: '10.96.0.7:80',
  DOWNSTREAM_REMOTE_ADDRESS: '10.1.9.9:40000',
  ROUTE_NAME: 'default',
};
const headers: Readonly<Record<string, string>> = {
  ':method': 'GET',
  ':path': '/items?id=7',
  ':authority': 'shop',
  'user-agent': 'curl/8 "x"',
  'x-request-id': 'abc',
};

const request: LoggedRequest = {
  startWallTimeMs: Date.UTC(2026, 10, 21, 12, 30, 45, 678),
  value: (name) => values[name],
  header: (of, name) =>
    of === 'request' ? headers[name] : of === 'response' && name === 'x-envoy-upstream-service-time' ? '2' : undefined,
};

function lineOf(format: RequestLogFormat, logged: LoggedRequest = request): string {
  const buffer = new LineBuffer(4096);
  assert.ok(format.write(buffer, logged));
  return Buffer.from(buffer.bytes.subarray(0, buffer.length)).toString();
}

test("Istio's default text has every value in its place, and a dash for what is absent", () => {
  assert.equal(
    lineOf(textLogFormat(defaultLogFormat)),
    '[2026-11-21T12:30:45.678Z] "GET /items?id=7 HTTP/1.1" 200 - via_upstream - "-" 0 1024 3 2 "-" "curl/8 "x"" "abc" "shop" ' +
      '"10.1.2.3:8080" inbound-vip|80|http|shop.ns.svc.cluster.local - 10.96.0.7:80 10.1.9.9:40000 - default\n',
  );
});

test("Istio's default JSON keeps numbers as numbers and has null for what is absent", () => {
  const line: unknown = JSON.parse(lineOf(jsonLogFormat(defaultJsonLogFormat)));
  assert.deepEqual(line, {
    start_time: '2026-11-21T12:30:45.678Z',
    route_name: 'default',
    method: 'GET',
    path: '/items?id=7',
    protocol: 'HTTP/1.1',
    response_code: 200,
    response_flags: null,
    response_code_details: 'via_upstream',
    connection_termination_details: null,
    bytes_received: 0,
    bytes_sent: 1024,
    duration: 3,
    upstream_service_time: '2',
    x_forwarded_for: null,
    user_agent: 'curl/8 "x"',
    request_id: 'abc',
    authority: 'shop',
    upstream_host: '10.1.2.3:8080',
    upstream_cluster: 'inbound-vip|80|http|shop.ns.svc.cluster.local',
    upstream_local_address: null,
    downstream_local_address: '10.96.0.7:80',
    downstream_remote_address: '10.1.9.9:40000',
    requested_server_name: null,
    upstream_transport_failure_reason: null,
  });
});

const formats: readonly (readonly [format: string, line: string])[] = [
  ['%REQ(USER-AGENT):4%', 'curl'],
  ['%REQ(X-NONE?:PATH)%', '/items?id=7'],
  ['%REQ_WITHOUT_QUERY(:PATH)%', '/items'],
  ['%RESP(X-NONE)%', '-'],
  ['%TRAILER(GRPC-STATUS)%', '-'],
  ['100%% %RESPONSE_CODE%', '100% 200'],
  ['%START_TIME(%Y/%m/%dT%H:%M:%S%z.%3f)%', '2026/11/21T12:30:45%z.678'],
  ['%START_TIME(%s)%', '1795264245'],
  ['%NO_SUCH%', '-'],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', '10.1.9.9 40000'],
  ['%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_PORT%', '10.1.2.3:8080 8080 -'],
  ['%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '-'],
  ['%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%', 'DeadlineExceeded DEADLINE_EXCEEDED 4'],
  ['%GRPC_STATUS_NUMBER% %GRPC_STATUS(LOUD)%', '4 -'],
  ['%RESPONSE_FLAGS_LONG%', '-'],
  ['%STREAM_ID%', 'abc'],
  ['%CEL(size(request.host) > 1)% %CEL(nothing)%', 'true -'],
  ['%FILTER_STATE(upstream_peer:FIELD:workload)% %FILTER_STATE(upstream_peer_obj:FIELD:workload):3%', 'web-v1 web'],
  ['%FILTER_STATE(mine:PLAIN)%', '-'],
  ['%REQ()%', '-'],
  ['a % b', 'a % b'],
  ['', ''],
];

for (const [format, line] of formats) {
  test(`the format ${JSON.stringify(format)} gives ${JSON.stringify(line)}`, () => {
    assert.equal(lineOf(textLogFormat(format, { constants })), `${line}\n`);
  });
}

const constants: LogConstants = {
  hostname: 'pod-1',
  environment: (name) => (name === 'ZONE' ? 'zone-b' : undefined),
  expression: (text) =>
    ({
      'size(request.host) > 1': () => true,
      'upstream_peer.workload': () => 'web-v1',
    })[text],
};

test('what the process knows of itself is put in once', () => {
  const text = '%HOSTNAME% %ENVIRONMENT(ZONE)% %ENVIRONMENT(ZONE):4% %ENVIRONMENT(X)%';
  const format = textLogFormat(text, { constants });
  assert.equal(lineOf(format), 'pod-1 zone-b zone -\n');
  assert.deepEqual(format.unknownOperators, []);
});

test('unknown operators are reported, and shown as a dash', () => {
  assert.deepEqual(textLogFormat('%NO_SUCH% %CEL(a.b)%').unknownOperators, ['%NO_SUCH%', '%CEL(a.b)%']);
  assert.throws(() => parseLogFormat('x'.repeat(20_000)), RangeError);
});

test('flags have long names', () => {
  const flagged: LoggedRequest = { ...request, value: () => 'UT,URX' };
  const line = lineOf(textLogFormat('%RESPONSE_FLAGS_LONG%'), flagged);
  assert.equal(line, 'UpstreamRequestTimeout,UpstreamRetryLimitExceeded\n');
});

test('what is missing can be left out', () => {
  const omitsEmpty = true;
  assert.equal(lineOf(textLogFormat('[%RESP(X)%|%PROTOCOL%]', { omitsEmpty })), '[|HTTP/1.1]\n');
  const fields = { a: '%RESP(X)%', b: { c: '%RESP(X)%', d: '%RESP(X)%/%PROTOCOL%' }, e: [] };
  assert.equal(lineOf(jsonLogFormat(fields, { omitsEmpty })), '{"b":{"d":"/HTTP/1.1"},"e":[]}\n');
});

test('fields of JSON hold fields, lists and values of their own', () => {
  const fields = { code: { number: '%RESPONSE_CODE%' }, list: ['%DURATION%', 'x%%'], on: true, none: null, n: 1.5 };
  const line = '{"code":{"number":200},"list":[3,"x%"],"on":true,"none":null,"n":1.5}\n';
  assert.equal(lineOf(jsonLogFormat(fields)), line);
  assert.deepEqual(jsonLogFormat({ a: { b: ['%NO_SUCH%'] } }).unknownOperators, ['%NO_SUCH%']);
  let deep: unknown = 'x';
  for (let i = 0; i < 20; i++) deep = { deep };
  assert.throws(() => jsonLogFormat({ deep }), RangeError);
  assert.throws(() => jsonLogFormat({ many: Array.from({ length: 600 }, () => 1) }), RangeError);
});

test('a format can be had as text', () => {
  const { of, unknownOperators } = logText('%PROTOCOL% %RESP(X)% %NO_SUCH%');
  assert.equal(of(request), 'HTTP/1.1 - -');
  assert.deepEqual(unknownOperators, ['%NO_SUCH%']);
});

test('a mixture of text and operators is one JSON text; no fields are an empty object', () => {
  assert.equal(lineOf(jsonLogFormat({ a: '%RESPONSE_CODE%/%DURATION%', b: 'x' })), '{"a":"200/3","b":"x"}\n');
  assert.equal(lineOf(jsonLogFormat({})), '{}\n');
});

test('whatever a peer sends stays within one line, and JSON stays JSON', () => {
  const text = textLogFormat('%REQ(USER-AGENT)%');
  const json = jsonLogFormat({ agent: '%REQ(USER-AGENT)%' });
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (agent) => {
      const hostile: LoggedRequest = { ...request, header: () => agent };
      assert.equal(lineOf(text, hostile).split('\n').length, 2);
      assert.deepEqual(JSON.parse(lineOf(json, hostile)), { agent });
    }),
    { seed: 4, numRuns: 500 },
  );
});

test('a line that does not fit is left out whole', () => {
  const buffer = new LineBuffer(10);
  assert.equal(textLogFormat(defaultLogFormat).write(buffer, request), false);
  assert.equal(buffer.length, 0);
});
