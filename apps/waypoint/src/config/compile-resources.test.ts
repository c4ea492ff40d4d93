import assert from 'node:assert/strict';
import { test } from 'node:test';

import { proxy, type route, type traffic as messages } from '@ambit/api';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';

import { type CompiledDestination, compileDestination } from './destination.ts';
import type { Compiled } from './problems.ts';
import { type CompiledProxy, compileProxy } from './proxy.ts';
import { type CompiledServer, compileServer } from './server.ts';
import { defaultTrafficPolicy } from './traffic-policy.ts';

type RouteShape = MessageInitShape<typeof route.HttpRouteSchema>;

const destinationOf = (shape: MessageInitShape<typeof proxy.DestinationSchema>): Compiled<CompiledDestination> =>
  compileDestination(toBinary(proxy.DestinationSchema, create(proxy.DestinationSchema, shape)));
const proxyOf = (shape: MessageInitShape<typeof proxy.ProxySchema>): Compiled<CompiledProxy> =>
  compileProxy(toBinary(proxy.ProxySchema, create(proxy.ProxySchema, shape)));
const serverOf = (shape: MessageInitShape<typeof proxy.ServerSchema>): Compiled<CompiledServer> =>
  compileServer(toBinary(proxy.ServerSchema, create(proxy.ServerSchema, shape)));

const direct = { case: 'directResponse' as const, value: { status: 200 } };

function routed(shape: RouteShape): Compiled<CompiledDestination> {
  return destinationOf({
    namespace: 'shop',
    hostname: 'cart',
    ports: [{ port: 80, httpRoutes: [{ name: 'r', action: direct, ...shape }] }],
  });
}

function problemsOf(compiled: Compiled<unknown>): string {
  return compiled.kind === 'bad' ? compiled.problems.join('\n') : 'none';
}

function valueOf<T>(compiled: Compiled<T>): T {
  if (compiled.kind === 'bad') throw new Error(compiled.problems.join('\n'));
  return compiled.value;
}

test('bytes that are no message are a problem, not an exception', () => {
  for (const compile of [compileDestination, compileProxy, compileServer]) {
    assert.match(problemsOf(compile(Uint8Array.of(0xff, 0xff))), /^resource: cannot be decoded: /);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { kind } = compile(bytes);
        assert.ok(kind === 'ok' || kind === 'bad');
      }),
      { seed: 5, numRuns: 2000 },
    );
  }
});

test('a resource with one bad part is refused whole, with every reason and its place', () => {
  const bad = destinationOf({
    namespace: 'shop',
    hostname: 'cart',
    ports: [
      {
        port: 80,
        httpRoutes: [
          { name: 'fine', action: direct },
          { name: 'regex', matches: [{}, { path: { kind: { case: 'regex', value: '(' } } }], action: direct },
          { name: 'nothing' },
        ],
        traffic: { proxyProtocol: 3 },
      },
    ],
  });
  assert.equal(
    problemsOf(bad).replace(/RE2 knows: .*/, 'RE2 knows: ...'),
    'port 80 route regex match 1: not a regular expression that RE2 knows: ...\n' +
      'port 80 route nothing: a route without an action that is known here\n' +
      'port 80: there is no version 3 of the PROXY protocol',
  );
});

test('what would change a message, or cannot be sent, is refused', () => {
  for (const [shape, problem] of [
    [{ requestHeaders: { set: { 'x-a': 'a\r\nb: c' } } }, 'the value of header x-a holds what no header may'],
    [{ rewrite: { path: { case: 'full', value: '/a b' } } }, 'a path cannot become "/a b"'],
    [{ rewrite: { authority: 'a b' } }, 'a b is no authority'],
    [{ action: { case: 'redirect', value: { status: 200 } } }, '200 is no status for a redirect'],
    [{ action: { case: 'directResponse', value: { status: 99 } } }, '99 is no status for a direct response'],
    [{ fault: { abortPerMillion: 1, abortStatus: 1 } }, '1 is no status for an injected fault'],
    [
      {
        action: {
          case: 'forward',
          value: { backends: [{ weight: 1, target: { case: 'failureStatus', value: 200 } }] },
        },
      },
      '200 is no status for a backend that cannot be used',
    ],
    [{ cors: { allowOrigins: [{}] } }, 'a condition on the origin without a kind that is known here'],
    [{ matches: [{ headers: [{ name: '' }] }] }, 'a condition on a field without name'],
  ] as const) {
    assert.ok(problemsOf(routed(shape as RouteShape)).endsWith(problem), problemsOf(routed(shape as RouteShape)));
  }
});

test('header edits that belong to the connection are left out with a warning', () => {
  const compiled = routed({
    requestHeaders: {
      set: { Connection: 'close', ':path': '/x', 'X-A': ' 1 ', 'x-é': '2' },
      remove: ['Content-Length', 'x-b'],
    },
    responseHeaders: { add: [{ name: 'x-text', value: 'é' }] },
    retries: { maxRetries: 1, conditions: ['5xx', 'whenever'] },
  });
  const [compiledRoute] = valueOf(compiled).ports.get(80)?.routes.routes ?? [];
  assert.deepEqual(compiledRoute?.requestHeaders, {
    remove: ['x-b'],
    set: [{ lowerName: 'x-a', value: { kind: 'text', text: '1' } }],
    add: [],
    authority: undefined,
  });
  assert.deepEqual(compiledRoute?.responseHeaders?.add[0]?.value, { kind: 'text', text: '\u00c3\u00a9' });
  assert.equal(compiled.kind === 'ok' && compiled.warnings.length, 5);
});

test('absent parts have Istio’s defaults', () => {
  const { ports } = valueOf(
    destinationOf({ namespace: 'shop', hostname: 'cart', ports: [{ port: 80, name: 'http' }] }),
  );
  const port = ports.get(80);
  assert.equal(port?.traffic, defaultTrafficPolicy);
  assert.equal(port?.protocol, 'auto');
  const [only, ...more] = port?.routes.routes ?? [];
  assert.equal(more.length, 0);
  assert.deepEqual([only?.name, only?.timeoutMs, only?.retries.policy.maxRetries], ['default', undefined, 2]);
  assert.deepEqual([...(only?.retries.policy.conditions ?? [])].toSorted(), [
    'cancelled',
    'connect-failure',
    'refused-stream',
    'retriable-status-codes',
    'unavailable',
  ]);
  const nothing = valueOf(
    destinationOf({ namespace: 'a', hostname: 'b', ports: [{ port: 80, noMatchIsError: true }] }),
  );
  assert.deepEqual(nothing.ports.get(80)?.routes.routes, []);
});

test('a traffic policy keeps what it says, in milliseconds and with names', () => {
  const traffic: MessageInitShape<typeof messages.TrafficPolicySchema> = {
    balancing: {
      algorithm: 5,
      tableSize: 101n,
      hashKey: { kind: { case: 'cookie', value: { name: 'c', path: '/', ttl: { nanos: 500_000_000 } } } },
      warmup: { duration: { seconds: 30n } },
      locality: { enabled: true, routingPreference: [6, 1] },
    },
    limits: {
      maxConnections: 10,
      connectTimeout: { seconds: 1n },
      retryBudget: { percent: 20, minConcurrency: 3, interval: { seconds: 5n } },
      ping: { interval: { seconds: 30n } },
    },
    outliers: { consecutive5xx: 7, baseEjection: { seconds: 400n }, maxEjectionPercent: 50, errorCodes: [401, 503] },
    tls: { serverName: 'a.example', rootsPem: Buffer.from('roots') },
    proxyProtocol: 2,
    tunnel: { host: 'fd00::1', port: 443 },
    httpVersion: 3,
  };
  const compiled = valueOf(
    destinationOf({
      namespace: 'a',
      hostname: 'b',
      ports: [{ port: 80, traffic }],
      subsets: [{ name: 'v1', workloadUids: ['u'] }],
    }),
  );
  assert.deepEqual(compiled.ports.get(80)?.traffic, {
    balancing: {
      kind: 'maglev',
      size: 101,
      hashKey: { kind: 'cookie', name: 'c', path: '/', ttlMs: 500, attributes: '' },
    },
    warmup: { durationMs: 30_000, minimumPercent: 10, aggression: 1 },
    locality: {
      preferences: [
        { kind: 'scope', scope: 6 },
        { kind: 'scope', scope: 1 },
      ],
      failover: new Map(),
      distribute: [],
      minRegionEndpoints: 0,
    },
    limits: {
      ...defaultTrafficPolicy.limits,
      maxConnections: 10,
      connectTimeoutMs: 1000,
      ping: { intervalMs: 30_000, timeoutMs: 20_000 },
      retryBudget: { percent: 20, minConcurrency: 3, intervalMs: 5000 },
    },
    outliers: {
      consecutive5xx: 7,
      consecutiveGatewayErrors: 0,
      consecutiveLocalFailures: 0,
      splitsLocalFailures: false,
      intervalMs: 10_000,
      baseEjectionMs: 400_000,
      maxEjectionMs: 400_000,
      maxEjectionPercent: 50,
      minHealthPercent: 0,
      errorCodes: new Set([401, 503]),
    },
    tls: {
      serverName: 'a.example',
      subjectAltNames: [],
      revocationsPem: '',
      roots: { kind: 'pem', pem: 'roots' },
      clientCertificate: undefined,
      skipsVerification: false,
    },
    proxyProtocol: 2,
    tunnel: { authority: '[fd00::1]:443', byPost: false },
    httpVersion: 'as-client',
  });
  assert.deepEqual(compiled.subsets.get('v1')?.workloadUids, new Set(['u']));
});

test('a retry budget counts as soon as it is there', () => {
  const traffic = { limits: { maxRetries: 7, retryBudget: { percent: 0, minConcurrency: 3 } } };
  const compiled = valueOf(destinationOf({ namespace: 'a', hostname: 'b', ports: [{ port: 80, traffic }] }));
  const budget = compiled.ports.get(80)?.traffic.limits.retryBudget;
  assert.deepEqual(budget, { percent: 0, minConcurrency: 3, intervalMs: 0 });
});

test('roots that cannot be had verify nothing', () => {
  const compiled = valueOf(
    destinationOf({ namespace: 'a', hostname: 'b', ports: [{ port: 80, traffic: { tls: {} } }] }),
  );
  assert.deepEqual(compiled.ports.get(80)?.traffic.tls?.roots, { kind: 'none' });
});

test('keys that cannot be read refuse tokens, and do not hinder the rest', () => {
  const jwtRules = [{ issuer: 'i', jwks: '{"keys":[]}' }];
  const compiled = destinationOf({ namespace: 'a', hostname: 'b', access: { jwtRules } });
  assert.equal(valueOf(compiled).access.jwtRules.length, 1);
  assert.deepEqual(compiled.kind === 'ok' && compiled.warnings, [
    'destination JWT issuer i: the key set has no usable key for signatures; every token is refused',
  ]);
});

test('a proxy without kind or trust domain, or with an action from the future, is refused', () => {
  const whole = { namespace: 'a', name: 'b', kind: proxy.Proxy_Kind.WAYPOINT, trustDomains: ['cluster.local'] };
  assert.equal(problemsOf(proxyOf(whole)), 'none');
  assert.match(problemsOf(proxyOf({ ...whole, kind: 9 as never })), /unknown kind 9/);
  assert.match(problemsOf(proxyOf({ ...whole, trustDomains: [] })), /no trust domain/);
  assert.match(problemsOf(proxyOf({ ...whole, access: { policies: [{ action: 9 as never }] } })), /unknown action 9/);
  const { providers } = valueOf(proxyOf({ ...whole, providers: [{ name: 'p' }] }));
  assert.equal(providers.size, 0, 'a provider that cannot be asked');
});

test('a listener that is to end TLS needs a certificate', () => {
  const https = { name: 'l', protocol: proxy.ServerListener_ServerProtocol.SERVER_HTTPS };
  assert.match(problemsOf(serverOf({ port: 443, listeners: [https] })), /there is no certificate/);
  assert.match(
    problemsOf(serverOf({ port: 443, listeners: [{ ...https, tls: { minVersion: '1.1' } }] })),
    /1.1 is no version of TLS/,
  );
  assert.match(problemsOf(serverOf({ port: 0 })), /0 is no port number/);
});
