/** From the route that matches to what the backend sees. Spec: contract l7 1.5, 3.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { proxy } from '@ambit/api';
import fc from 'fast-check';

import { gatewayFacts, Lab, type LabOptions, service, shopKey } from './test-support/lab.ts';

const to = (hostname: string, weight = 1, extra: object = {}): object => ({
  weight,
  target: { case: 'backend', value: { namespace: 'shop', hostname, port: 80 } },
  ...extra,
});
const forward = (...backends: readonly object[]): object => ({ case: 'forward', value: { backends } });
const path = (kind: 'exact' | 'segments' | 'prefix' | 'regex', value: string): object => ({
  path: { kind: { case: kind, value } },
});
const header = (name: string, value: string): object => ({
  headers: [{ name, match: { kind: { case: 'exact', value } } }],
});
const all = ['a', 'b', 'c'].map((name) => service(name));

function labWith(routes: readonly object[], options: LabOptions = {}): Lab {
  return new Lab({
    ports: [{ port: 80, httpRoutes: routes as never, noMatchIsError: true }],
    destinations: all,
    ...options,
  });
}

const backendOf = (lab: Lab): string => {
  const { target } = lab.upstreams.last;
  return target.kind === 'service' ? target.hostname : target.address;
};

test('the first route that matches decides, by any of its matches', () => {
  const lab = labWith([
    { name: 'a', matches: [{ ...path('exact', '/cart'), ...header('x-canary', 'yes') }], action: forward(to('a')) },
    { name: 'b', matches: [path('segments', '/cart'), path('segments', '/basket')], action: forward(to('b')) },
    { name: 'c', action: forward(to('c')) },
  ]);
  for (const [target, headers, expected] of [
    ['/cart', { 'x-canary': 'yes' }, 'a'],
    ['/cart', {}, 'b'],
    ['/basket/x', {}, 'b'],
    ['/cartoon', {}, 'c'],
  ] as const) {
    lab.request({ target, headers });
    assert.equal(backendOf(lab), expected, target);
    lab.upstreams.last.answer(200);
    assert.equal(lab.record.routeName, expected);
  }
});

test('shares are exact over time, and a share that fails costs only itself', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 3 }), (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      fc.pre(total > 0);
      const lab = labWith([{ name: 'r', action: forward(...weights.map((weight, i) => to('abc'.charAt(i), weight))) }]);
      for (let i = 0; i < total * 2; i++) lab.request();
      for (const [i, weight] of weights.entries()) {
        const hits = lab.upstreams.attempts.filter(({ target }) => target.key === `shop/${'abc'.charAt(i)}/80/`).length;
        assert.equal(hits, weight * 2);
      }
    }),
    { numRuns: 30 },
  );
  const half = labWith([
    { name: 'r', action: forward(to('a', 3), { weight: 1, target: { case: 'failureStatus', value: 500 } }) },
  ]);
  const statuses = Array.from({ length: 40 }, () => half.request().status);
  assert.equal(statuses.filter((status) => status === 500).length, 10);
});

test('edits of the backend and of the route both act, and a backend’s do not leak to others', () => {
  const lab = labWith([
    {
      name: 'r',
      requestHeaders: { set: { 'x-route': 'r' }, remove: ['X-Secret'], add: [{ name: 'x-list', value: 'route' }] },
      responseHeaders: { set: { 'x-by': 'route' }, remove: ['x-internal'] },
      action: forward(
        to('a', 1, { requestHeaders: { set: { 'X-Backend': 'a' }, add: [{ name: 'x-list', value: 'a' }] } }),
        to('b', 1, { responseHeaders: { set: { 'x-backend': 'b' } } }),
      ),
    },
  ]);
  const first = lab.request({ headers: { 'x-secret': '1', 'x-list': 'client' } });
  const sent = lab.upstreams.last.sent?.headers ?? {};
  assert.deepEqual(
    [sent['x-backend'], sent['x-route'], sent['x-secret'], sent['x-list']],
    ['a', 'r', undefined, 'client,a,route'],
  );
  lab.upstreams.last.answer(200, 'ok', { 'x-internal': '1' });
  assert.deepEqual(
    [first.headers['x-by'], first.headers['x-internal'], first.headers['x-backend']],
    ['route', undefined, undefined],
  );
  const second = lab.request();
  assert.equal(lab.upstreams.last.sent?.headers['x-backend'], undefined);
  lab.upstreams.last.answer(200, 'ok');
  assert.equal(second.headers['x-backend'], 'b');
});

test('values name facts of the request; a host that is set becomes the authority', () => {
  const lab = labWith([
    {
      name: 'r',
      requestHeaders: {
        set: {
          'x-from': '%DOWNSTREAM_REMOTE_ADDRESS%',
          'x-path': 'p=%REQ(:PATH)% 100%%',
          'x-none': '%REQ(X-ABSENT)%',
          'x-odd': '%NO_SUCH%',
          Host: 'inner.example',
        },
      },
      action: forward(to('a')),
    },
  ]);
  lab.request({ target: '/q?x' });
  const { sent } = lab.upstreams.last;
  assert.equal(sent?.authority, 'inner.example');
  assert.equal(sent?.headers['x-from'], '10.1.0.7:43210');
  assert.equal(sent?.headers['x-path'], 'p=/q?x 100%');
  assert.equal(sent?.headers['x-none'], undefined);
  assert.equal(sent?.headers['x-odd'], '%NO_SUCH%');
});

test('a rewrite changes path and authority, keeps the query and tells the original', () => {
  for (const [match, rewrite, target, sent] of [
    [path('segments', '/foo'), { case: 'prefix', value: '/xyz' }, '/foo/bar?q=1', '/xyz/bar?q=1'],
    [path('segments', '/foo'), { case: 'prefix', value: '/' }, '/foo', '/'],
    [path('prefix', '/foo'), { case: 'text', value: '/' }, '/foo/x', '//x'],
    [path('exact', '/foo'), { case: 'full', value: '/one' }, '/foo', '/one'],
    [{}, { case: 'regex', value: { pattern: '^/v([0-9])/(.*)', substitution: '/\\2/$\\1' } }, '/v1/a', '/a/$1'],
  ] as const) {
    const lab = labWith([
      { name: 'r', matches: [match], rewrite: { authority: 'new.example', path: rewrite }, action: forward(to('a')) },
    ]);
    lab.request({ target });
    assert.deepEqual([lab.upstreams.last.sent?.target, lab.upstreams.last.sent?.authority], [sent, 'new.example']);
    assert.equal(lab.upstreams.last.sent?.headers['x-envoy-original-path'], target);
    lab.upstreams.last.answer(200);
    assert.equal(lab.record.header('request', 'x-envoy-original-path'), target);
  }
});

test('redirects and direct answers are the proxy’s own', () => {
  const lab = labWith([
    {
      name: 'old',
      matches: [path('segments', '/old')],
      responseHeaders: { set: { 'x-by': 'route' } },
      action: {
        case: 'redirect',
        value: {
          scheme: 'https',
          port: { case: 'ofScheme', value: true },
          path: { path: { case: 'prefix', value: '/new' } },
          status: 301,
        },
      },
    },
    {
      name: 'teapot',
      action: { case: 'directResponse', value: { status: 418, body: Buffer.from('short and stout') } },
    },
  ]);
  const redirected = lab.request({ target: '/old/x?y=z' });
  assert.deepEqual([redirected.status, redirected.headers['location']], [301, 'https://shop.example.com/new/x?y=z']);
  assert.equal(redirected.headers['x-by'], 'route');
  const direct = lab.request();
  assert.deepEqual([direct.status, direct.body], [418, 'short and stout']);
  assert.deepEqual([lab.record.details, lab.record.flags], ['direct_response', '']);
});

test('consistent hashing takes its key from the request, and makes a cookie where it may', () => {
  const balancing = (hashKey: object): LabOptions => ({
    destinations: [service('a', { ports: [{ port: 80, traffic: { balancing: { algorithm: 4, hashKey } as never } }] })],
  });
  const routes = [{ name: 'r', action: forward(to('a')) }];
  const hashes = (hashKey: object, requests: readonly object[]): readonly (number | undefined)[] => {
    const lab = labWith(routes, balancing(hashKey));
    return requests.map((parts) => {
      lab.request(parts);
      return lab.upstreams.last.facts.hash;
    });
  };
  const [one, same, other, none] = hashes({ kind: { case: 'header', value: 'X-User' } }, [
    { headers: { 'x-user': 'a' } },
    { headers: { 'x-user': 'a' } },
    { headers: { 'x-user': 'b' } },
    {},
  ]);
  assert.equal(one, same);
  assert.notEqual(one, other);
  assert.equal(none, undefined);
  const [left, right] = hashes({ kind: { case: 'queryParameter', value: 'u' } }, [
    { target: '/?u=1' },
    { target: '/?u=2' },
  ]);
  assert.notEqual(left, right);
  const [address] = hashes({ kind: { case: 'sourceIp', value: true } }, [{}]);
  assert.notEqual(address, undefined);

  const lab = labWith(
    routes,
    balancing({ kind: { case: 'cookie', value: { name: 's', path: '/', ttl: { seconds: 60n } } } }),
  );
  const fresh = lab.request();
  const { hash } = lab.upstreams.last.facts;
  lab.upstreams.last.answer(200, 'ok', { 'set-cookie': 'other=1' });
  const cookies = fresh.answer?.fields.joined('set-cookie') ?? '';
  const made = /s="([0-9a-f]{32})"; Max-Age=60; Path=\/; HttpOnly/.exec(cookies)?.[1];
  assert.match(cookies, /^other=1,/);
  lab.request({ headers: { cookie: `x=1; s="${made}"` } });
  assert.equal(lab.upstreams.last.facts.hash, hash);
  const silent = labWith(routes, balancing({ kind: { case: 'cookie', value: { name: 's' } } }));
  silent.request();
  assert.equal(silent.upstreams.last.facts.hash, undefined, 'without a lifetime no cookie is made');
});

test('a gateway takes the listener and the host that name the request most narrowly', () => {
  const listener = (
    name: string,
    hostname: string,
    hosts: readonly (readonly [string, string])[],
    extra: object = {},
  ): object => ({
    name,
    hostname,
    protocol: proxy.ServerListener_ServerProtocol.SERVER_HTTP,
    hosts: hosts.map(([host, backend]) => ({
      hostname: host,
      routes: [{ name: backend, matches: [path('segments', '/only')], action: forward(to(backend)) }],
    })),
    ...extra,
  });
  const options: LabOptions = {
    facts: gatewayFacts,
    proxy: { kind: proxy.Proxy_Kind.GATEWAY },
    destinations: all,
    servers: [
      {
        port: 80,
        listeners: [
          listener('wild', '*.example.com', [
            ['*.example.com', 'a'],
            ['*.deep.example.com', 'b'],
          ]),
          listener('exact', 'www.example.com', [['www.example.com', 'c']]),
          listener('secure', 'secure.example.com', [], { redirectToHttps: true }),
        ] as never,
      },
    ],
  };
  const lab = new Lab(options);
  for (const [authority, expected] of [
    ['x.example.com', 'a'],
    ['x.deep.example.com:8080', 'b'],
    ['WWW.example.com', 'c'],
  ] as const) {
    lab.request({ authority, target: '/only' });
    assert.equal(backendOf(lab), expected, authority);
  }
  assert.equal(lab.request({ authority: 'example.com', target: '/only' }).status, 404);
  assert.equal(lab.request({ authority: 'www.example.com', target: '/other' }).status, 404, 'no wider host is tried');
  const secure = lab.request({ authority: 'secure.example.com', target: '/x?y' });
  assert.deepEqual([secure.status, secure.headers['location']], [301, 'https://secure.example.com/x?y']);
});

test('a host that belongs to another listener’s certificate is misdirected', () => {
  const tls = { keyPairs: [{ certificateChainPem: Buffer.from('c'), privateKeyPem: Buffer.from('k') }] };
  const listener = (name: string, hostname: string): object => ({
    name,
    hostname,
    tls,
    protocol: proxy.ServerListener_ServerProtocol.SERVER_HTTPS,
    hosts: [{ hostname: '', routes: [{ name, action: forward(to('a')) }] }],
  });
  const lab = (chosen: string): Lab =>
    new Lab({
      facts: { ...gatewayFacts, scheme: 'https', served: { kind: 'server', port: 443, listener: chosen } },
      proxy: { kind: proxy.Proxy_Kind.GATEWAY },
      destinations: all,
      servers: [
        { port: 443, listeners: [listener('wild', '*.example.com'), listener('www', 'www.example.com')] as never },
      ],
    });
  assert.equal(lab('wild').request({ authority: 'a.example.com' }).status, undefined);
  assert.equal(lab('wild').request({ authority: 'www.example.com' }).status, 421);
  assert.equal(lab('www').request({ authority: 'a.example.com' }).status, 421);
  assert.equal(lab('www').request({ authority: 'other.org' }).status, undefined, 'nobody else wants it');
  assert.equal(lab('gone').request({ authority: 'www.example.com' }).status, 404);
});

test('a subset and another service are named in the log as tools expect', () => {
  const subset = {
    weight: 1,
    target: { case: 'backend', value: { namespace: 'shop', hostname: shopKey.slice(5), port: 80, subset: 'v2' } },
  };
  const lab = labWith([
    { name: 's', matches: [path('exact', '/subset')], action: forward(subset) },
    { name: 'o', action: forward(to('a')) },
  ]);
  for (const [target, cluster] of [
    ['/subset', 'inbound-vip|80|http/v2|shop.shop.svc.cluster.local'],
    ['/', 'outbound|80||a'],
  ] as const) {
    lab.request({ target });
    lab.upstreams.last.answer(200);
    assert.equal(lab.record.value('UPSTREAM_CLUSTER_RAW'), cluster);
  }
});
