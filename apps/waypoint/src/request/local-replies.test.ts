/** What clients get when no backend answers, in the words of the contract (l7 5.4, 6.3). */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, type LabOptions } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const port = (parts: object): LabOptions => ({ ports: [{ port: 80, ...parts }] });
const routed = (...backends: readonly object[]): LabOptions =>
  port({ httpRoutes: [{ name: 'r', action: { case: 'forward', value: { backends } } }] });
const failing = (status: number): object => ({ weight: 1, target: { case: 'failureStatus', value: status } });
const noRetries = port({
  httpRoutes: [
    {
      name: 'r',
      retries: { maxRetries: 0 },
      action: forwardTo('shop.shop.svc.cluster.local'),
    },
  ],
});
const before = 'upstream connect error or disconnect/reset before headers. reset reason: ';

interface Situation {
  readonly name: string;
  readonly options?: LabOptions;
  readonly failure?: FakeUpstreams['failure'];
  readonly make?: (upstreams: FakeUpstreams) => void;
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly body: string;
  readonly grpcStatus: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const situations: readonly Situation[] = [
  {
    name: 'no route',
    options: port({ noMatchIsError: true }),
    status: 404,
    flags: 'NR',
    details: 'route_not_found',
    body: '',
    grpcStatus: '12',
  },
  {
    name: 'no usable backend',
    options: routed(),
    status: 500,
    flags: '',
    details: 'direct_response',
    body: '',
    grpcStatus: '14',
  },
  {
    name: 'a backend that cannot be used',
    options: routed(failing(500)),
    status: 500,
    flags: '',
    details: 'direct_response',
    body: '',
    grpcStatus: '14',
  },
  {
    name: 'a host that is not known',
    options: routed(failing(503)),
    status: 503,
    flags: 'NC',
    details: 'cluster_not_found',
    body: '',
    grpcStatus: '14',
  },
  {
    name: 'unknown backend',
    failure: 'unknown-backend',
    status: 503,
    flags: 'NC',
    details: 'cluster_not_found',
    body: '',
    grpcStatus: '14',
  },
  {
    name: 'no endpoint',
    failure: 'no-endpoint',
    status: 503,
    flags: 'UH',
    details: 'no_healthy_upstream',
    body: 'no healthy upstream',
    grpcStatus: '14',
  },
  {
    name: 'circuit limit',
    failure: 'overflow',
    status: 503,
    flags: 'UO',
    details: 'upstream_reset_before_response_started{overflow}',
    body: `${before}overflow`,
    grpcStatus: '14',
    headers: { 'x-envoy-overloaded': 'true' },
  },
  {
    name: 'connection refused',
    options: noRetries,
    make: (upstreams) => upstreams.last.failToConnect({ transportReason: 'TLS error' }),
    status: 503,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|TLS_error}',
    body: `${before}remote connection failure, transport failure reason: TLS error`,
    grpcStatus: '14',
  },
  {
    name: 'connect timeout',
    options: noRetries,
    make: (upstreams) => upstreams.last.failToConnect({ kind: 'timeout' }),
    status: 503,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{connection_timeout}',
    body: `${before}connection timeout`,
    grpcStatus: '14',
  },
  {
    name: 'too many waiting for a connection',
    make: (upstreams) => upstreams.last.failToConnect({ kind: 'overflow' }),
    status: 503,
    flags: 'UO',
    details: 'upstream_reset_before_response_started{overflow}',
    body: `${before}overflow`,
    grpcStatus: '14',
    headers: { 'x-envoy-overloaded': 'true' },
  },
  ...(
    [
      ['lost', 503, 'UC', 'connection termination'],
      ['reset', 503, 'UR', 'remote reset'],
      ['protocol', 502, 'UPE', 'protocol error'],
      ['closed', 503, 'LR', 'local reset'],
    ] as const
  ).map(([kind, status, flags, reason]): Situation => ({
    name: `backend: ${kind}`,
    make: (upstreams) => upstreams.last.connect().break(kind),
    status,
    flags,
    details: `upstream_reset_before_response_started{${reason.replace(' ', '_')}}`,
    body: before + reason,
    grpcStatus: '14',
  })),
];

for (const {
  name,
  options = {},
  failure,
  make,
  status,
  flags,
  details,
  body,
  grpcStatus,
  headers = {},
} of situations) {
  test(`${name}: ${status} to HTTP clients, status ${grpcStatus} to gRPC clients`, () => {
    const lab = new Lab({ ...options, upstreams: new FakeUpstreams() });
    lab.upstreams.failure = failure;
    const client = lab.request();
    make?.(lab.upstreams);
    assert.deepEqual([client.status, client.body, client.isEnded], [status, body, true]);
    assert.equal(client.headers['content-type'], body === '' ? undefined : 'text/plain');
    assert.equal(client.answer?.contentLength, body.length);
    for (const [header, value] of Object.entries(headers)) assert.equal(client.headers[header], value);
    const { record } = lab;
    assert.deepEqual([record.status, record.flags, record.details], [status, flags, details]);
    assert.equal(record.value('RESPONSE_FLAGS'), flags === '' ? '-' : flags);

    const caller = lab.request({ method: 'POST', headers: { 'content-type': 'application/grpc+proto' } });
    make?.(lab.upstreams);
    assert.deepEqual([caller.status, caller.body, caller.isEnded], [200, '', true]);
    assert.equal(caller.headers['content-type'], 'application/grpc');
    assert.equal(caller.headers['grpc-status'], grpcStatus);
    assert.equal(caller.headers['grpc-message'], body === '' ? undefined : body);
    assert.deepEqual([lab.record.status, lab.record.grpcStatus], [200, Number(grpcStatus)]);
    lab.assertNothingHeld();
  });
}

test('the answer to HEAD has the length of its body and not the body', () => {
  const lab = new Lab();
  lab.upstreams.failure = 'no-endpoint';
  const client = lab.request({ method: 'HEAD' });
  assert.deepEqual([client.body, client.answer?.contentLength, client.isEnded], ['', 19, true]);
});

test('a gRPC message is escaped', () => {
  const route = {
    name: 'd',
    action: { case: 'directResponse' as const, value: { status: 429, body: Buffer.from('50 % é\n') } },
  };
  const lab = new Lab(port({ httpRoutes: [route] }));
  const caller = lab.request({ headers: { 'content-type': 'application/grpc' } });
  assert.equal(caller.headers['grpc-message'], '50 %25 %C3%A9%0A');
  assert.equal(caller.headers['grpc-status'], '14');
});

test('gRPC-Web is answered as HTTP', () => {
  const lab = new Lab(port({ noMatchIsError: true }));
  assert.equal(lab.request({ headers: { 'content-type': 'application/grpc-web+proto' } }).status, 404);
});

test('requests that no proxy handles are refused with the status that says why', () => {
  const lab = new Lab();
  for (const [parts, status, details] of [
    [{ protocol: 'HTTP/1.0' }, 426, 'low_version'],
    [{ upgrade: 'h2c' }, 403, 'upgrade_failed'],
    [{ method: 'CONNECT', target: '' }, 404, 'route_not_found'],
    [{ method: 'OPTIONS', target: '*' }, 404, 'route_not_found'],
    [{ target: '/%zz' }, 400, 'path_normalization_failed{incomplete_escape_in_the_path}'],
    [{ target: '/%00' }, 400, 'path_normalization_failed{NUL_in_the_path}'],
    [{ target: 'nothing' }, 400, 'path_normalization_failed{the_path_does_not_begin_with_a_slash}'],
  ] as const) {
    const client = lab.request(parts);
    assert.deepEqual([client.status, lab.record.details], [status, details], JSON.stringify(parts));
  }
  assert.equal(lab.upstreams.attempts.length, 0);
  lab.assertNothingHeld();
});
