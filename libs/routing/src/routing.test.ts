import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  type AttemptOutcome,
  compilePathMatch,
  compileRegex,
  compileRouteMatch,
  defaultRetryPolicy,
  isRetriable,
  parseGrpcTimeout,
  parseRetryOn,
  type PathMatch,
  queryParameter,
  redirectLocation,
  type Redirect,
  retryDelayMs,
  rewritePath,
  type RoutedRequest,
  type RouteMatch,
  type TextMatch,
  WeightedChoice,
} from './index.ts';

const headers: Readonly<Record<string, string>> = { 'x-team': 'blue', 'x-empty': '' };

const request: RoutedRequest = {
  method: 'GET',
  scheme: 'http',
  authority: 'shop.example.com:8080',
  path: '/foo/bar',
  query: '?a=1&b&a=2&c=x%20y',
  header: (name) => headers[name],
  claim: (path) => (path.join('.') === 'realm.role' ? ['dev', 'ops'] : []),
};

const paths: readonly (readonly [match: PathMatch, path: string, isMatch: boolean])[] = [
  [{ kind: 'segments', value: '/abc' }, '/abc', true],
  [{ kind: 'segments', value: '/abc' }, '/abc/', true],
  [{ kind: 'segments', value: '/abc' }, '/abc/x', true],
  [{ kind: 'segments', value: '/abc' }, '/abcd', false],
  [{ kind: 'segments', value: '/abc/' }, '/abc', true],
  [{ kind: 'segments', value: '/abc/' }, '/abcd', false],
  [{ kind: 'segments', value: '/abc' }, '/ABC', false],
  [{ kind: 'segments', value: '/' }, '/anything', true],
  [{ kind: 'segments', value: '/' }, '/', true],
  [{ kind: 'prefix', value: '/foo' }, '/foobar', true],
  [{ kind: 'prefix', value: '/FOO', foldsCase: true }, '/foobar', true],
  [{ kind: 'prefix', value: '/FOO' }, '/foobar', false],
  [{ kind: 'exact', value: '/foo' }, '/foo', true],
  [{ kind: 'exact', value: '/foo' }, '/foo/', false],
  [{ kind: 'exact', value: '/Foo', foldsCase: true }, '/fOO', true],
  [{ kind: 'regex', pattern: '/fo+' }, '/fooo', true],
  [{ kind: 'regex', pattern: '/fo+' }, '/fooo/x', false],
  [{ kind: 'regex', pattern: '(?i)/FOO|/bar' }, '/foo', true],
];

for (const [match, path, isMatch] of paths) {
  test(`${JSON.stringify(match)} ${isMatch ? 'matches' : 'does not match'} ${path}`, () => {
    assert.equal(compilePathMatch(match).matches(path), isMatch);
  });
}

const exact = (value: string): TextMatch => ({ kind: 'exact', value });
const present: TextMatch = { kind: 'present' };

const matches: readonly (readonly [name: string, match: RouteMatch, isMatch: boolean])[] = [
  ['nothing', {}, true],
  ['a method', { method: exact('GET') }, true],
  ['another method', { method: exact('get') }, false],
  ['a scheme', { scheme: exact('https') }, false],
  ['an authority with its port', { authority: exact('shop.example.com:8080') }, true],
  ['an authority prefix', { authority: { kind: 'prefix', value: 'shop.' } }, true],
  ['a header', { headers: [{ name: 'x-team', match: exact('blue') }] }, true],
  [
    'a header regex on part of the value',
    { headers: [{ name: 'x-team', match: { kind: 'regex', pattern: 'bl' } }] },
    false,
  ],
  ['an empty header that is present', { headers: [{ name: 'x-empty', match: present }] }, true],
  ['an absent header', { headers: [{ name: 'x-none', match: present }] }, false],
  [
    'two headers of which one fails',
    {
      headers: [
        { name: 'x-team', match: present },
        { name: 'x-none', match: present },
      ],
    },
    false,
  ],
  ['without a header that is there', { withoutHeaders: [{ name: 'x-team', match: exact('blue') }] }, false],
  ['without a value that differs', { withoutHeaders: [{ name: 'x-team', match: exact('red') }] }, true],
  ['without a value, and the header is absent', { withoutHeaders: [{ name: 'x-none', match: exact('a') }] }, true],
  ['without presence, and the header is absent', { withoutHeaders: [{ name: 'x-none', match: present }] }, true],
  ['without presence, and the header is empty', { withoutHeaders: [{ name: 'x-empty', match: present }] }, false],
  ['the first of repeated parameters', { queryParameters: [{ name: 'a', match: exact('1') }] }, true],
  ['the second of repeated parameters', { queryParameters: [{ name: 'a', match: exact('2') }] }, false],
  ['a parameter without value', { queryParameters: [{ name: 'b', match: exact('') }] }, true],
  ['a parameter that is not decoded', { queryParameters: [{ name: 'c', match: exact('x y') }] }, false],
  ['a claim of a list', { claims: [{ path: ['realm', 'role'], match: exact('ops') }] }, true],
  ['a claim that is absent', { claims: [{ path: ['realm'], match: present }] }, false],
  [
    'everything together',
    {
      path: { kind: 'segments', value: '/foo' },
      method: exact('GET'),
      headers: [{ name: 'x-team', match: exact('blue') }],
    },
    true,
  ],
];

for (const [name, match, isMatch] of matches) {
  test(`a route with ${name} ${isMatch ? 'matches' : 'does not match'}`, () => {
    assert.equal(compileRouteMatch(match).matches(request), isMatch);
  });
}

test('query parameters are found whole', () => {
  assert.equal(queryParameter('', 'a'), undefined);
  assert.equal(queryParameter('?ab=1', 'a'), undefined);
  assert.equal(queryParameter('?xa=1', 'a'), undefined);
  assert.equal(queryParameter('?x=a&a=b=c', 'a'), 'b=c');
});

test('patterns are RE2: no look-around, and no text that takes exponential time', () => {
  assert.throws(() => compileRegex('(?=a)b'), RangeError);
  assert.throws(() => compileRegex('(a)\\1'), RangeError);
  assert.throws(() => compileRegex('a'.repeat(5000)), RangeError);
  assert.equal(compileRegex('(a|aa)+$').matches(`${'a'.repeat(5000)}b`), false);
});

const prefixRewrites: readonly (readonly [prefix: string, path: string, replacement: string, expected: string])[] = [
  ['/foo', '/foo/bar', '/xyz', '/xyz/bar'],
  ['/foo', '/foo/bar', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo', '/foo/', '/xyz', '/xyz/'],
  ['/foo/', '/foo/bar', '/xyz', '/xyz/bar'],
  ['/foo', '/foo/bar', '', '/bar'],
  ['/foo', '/foo/bar', '/', '/bar'],
  ['/foo', '/foo', '/', '/'],
  ['/foo', '/foo/', '/', '/'],
  ['/', '/foo', '/xyz', '/xyz/foo'],
];

for (const [prefix, path, replacement, expected] of prefixRewrites) {
  test(`prefix ${prefix} of ${path} by "${replacement}" gives ${expected}`, () => {
    const matched = compilePathMatch({ kind: 'segments', value: prefix });
    assert.ok(matched.matches(path));
    assert.equal(rewritePath({ kind: 'prefix', replacement }, path, matched), expected);
  });
}

test('a VirtualService rewrites text, the whole path, or by pattern', () => {
  const prefix = compilePathMatch({ kind: 'prefix', value: '/foo' });
  assert.equal(rewritePath({ kind: 'text', replacement: '/' }, '/foo/x', prefix), '//x');
  const whole = compilePathMatch({ kind: 'exact', value: '/foo' });
  assert.equal(rewritePath({ kind: 'text', replacement: '/bar' }, '/foo', whole), '/bar');
  const regex = compileRegex('/v([0-9]+)/');
  assert.equal(
    rewritePath({ kind: 'regex', regex, substitution: '/version-$1/' }, '/v2/items', undefined),
    '/version-2/items',
  );
  assert.equal(rewritePath({ kind: 'full', path: 'x' }, '/foo', undefined), '/x');
});

test('a redirect names host, port and path as Gateway API and VirtualService say', () => {
  const plain: Redirect = {
    scheme: undefined,
    host: undefined,
    port: { kind: 'listener', port: 8080 },
    path: undefined,
    status: 302,
  };
  const location = (changes: Partial<Redirect>, from: Partial<RoutedRequest> = {}): string =>
    redirectLocation(
      { ...plain, ...changes },
      { ...request, query: '?q', ...from },
      compilePathMatch({ kind: 'segments', value: '/foo' }),
    );
  assert.equal(location({}), 'http://shop.example.com:8080/foo/bar?q');
  assert.equal(location({ scheme: 'https', port: { kind: 'scheme' } }), 'https://shop.example.com/foo/bar?q');
  assert.equal(
    location({ scheme: 'https', port: { kind: 'number', port: 8443 } }),
    'https://shop.example.com:8443/foo/bar?q',
  );
  assert.equal(location({ host: 'other', port: { kind: 'listener', port: 80 } }), 'http://other/foo/bar?q');
  assert.equal(location({ path: { kind: 'prefix', replacement: '/new' } }), 'http://shop.example.com:8080/new/bar?q');
  assert.equal(location({ port: { kind: 'request' } }, { authority: '[::1]:81' }), 'http://[::1]:81/foo/bar?q');
  assert.equal(location({ scheme: 'https', port: { kind: 'request' } }, { authority: 'a:80' }), 'https://a/foo/bar?q');
  assert.equal(location({ port: { kind: 'request' } }, { authority: '[::1]' }), 'http://[::1]/foo/bar?q');
  // The port of the old host says nothing of the new one, and a query of the redirect's own counts alone.
  assert.equal(location({ host: 'other', port: { kind: 'request' } }), 'http://other/foo/bar?q');
  assert.equal(
    location({ path: { kind: 'full', path: '/new?from=old' } }),
    'http://shop.example.com:8080/new?from=old',
  );
});

test('weights are exact over time', () => {
  const canary = new WeightedChoice([95, 5]);
  const chosen = Array.from({ length: 100 }, () => canary.next());
  assert.equal(chosen.filter((index) => index === 1).length, 5);
  assert.equal(new WeightedChoice([0, 0]).next(), undefined);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      fc.pre(total > 0);
      const choice = new WeightedChoice(weights);
      const counts = weights.map(() => 0);
      for (let i = 1; i <= total * 2; i++) {
        const index = choice.next();
        assert.ok(index !== undefined);
        counts[index] = (counts[index] ?? 0) + 1;
        for (const [at, weight] of weights.entries()) {
          assert.ok(Math.abs((counts[at] ?? 0) - (i * weight) / total) < weights.length);
        }
      }
      assert.deepEqual(
        counts,
        weights.map((weight) => weight * 2),
      );
    }),
    { seed: 3, numRuns: 300 },
  );
});

const response = (status: number, changes: Partial<AttemptOutcome & { kind: 'response' }> = {}): AttemptOutcome => ({
  kind: 'response',
  status,
  grpcStatus: undefined,
  isRateLimited: false,
  isOverloaded: false,
  ...changes,
});

const retries: readonly (readonly [retryOn: string, outcome: AttemptOutcome, isRetried: boolean])[] = [
  ['5xx', response(500), true],
  ['5xx', response(404), false],
  ['5xx', { kind: 'connect-failure' }, true],
  ['5xx', { kind: 'per-try-timeout' }, true],
  ['5xx', response(503, { isOverloaded: true }), false],
  ['5xx', response(503, { isRateLimited: true }), false],
  ['5xx,envoy-ratelimited', response(429, { isRateLimited: true }), true],
  ['5xx', { kind: 'overflow' }, false],
  ['gateway-error', response(500), false],
  ['gateway-error', response(502), true],
  ['gateway-error', { kind: 'reset', wasRequestSent: true }, true],
  ['reset', { kind: 'reset', wasRequestSent: true }, true],
  ['reset', response(503), false],
  ['reset-before-request', { kind: 'reset', wasRequestSent: false }, true],
  ['reset-before-request', { kind: 'reset', wasRequestSent: true }, false],
  ['connect-failure', { kind: 'connect-failure' }, true],
  ['connect-failure', { kind: 'refused-stream' }, false],
  ['connect-failure', { kind: 'per-try-timeout' }, false],
  ['refused-stream', { kind: 'refused-stream' }, true],
  ['retriable-4xx', response(409), true],
  ['retriable-4xx', response(404), false],
  ['503', response(503), true],
  ['503', response(500), false],
  ['503', { kind: 'connect-failure' }, false],
  ['cancelled', response(200, { grpcStatus: 1 }), true],
  ['unavailable', response(200, { grpcStatus: 14 }), true],
  ['unavailable', response(200, { grpcStatus: 13 }), false],
  ['internal,deadline-exceeded,resource-exhausted', response(200, { grpcStatus: 8 }), true],
];

for (const [retryOn, outcome, isRetried] of retries) {
  test(`retryOn ${retryOn} ${isRetried ? 'retries' : 'does not retry'} ${JSON.stringify(outcome)}`, () => {
    const { conditions, statusCodes } = parseRetryOn(retryOn);
    assert.equal(isRetriable({ ...defaultRetryPolicy, conditions, statusCodes }, outcome), isRetried);
  });
}

test('the default retries what did no work, and no status code of its own', () => {
  assert.equal(isRetriable(defaultRetryPolicy, { kind: 'connect-failure' }), true);
  assert.equal(isRetriable(defaultRetryPolicy, response(503)), false);
  assert.equal(isRetriable(defaultRetryPolicy, { kind: 'reset', wasRequestSent: true }), false);
  assert.deepEqual(parseRetryOn('5xx, nonsense,999').unknown, ['nonsense', '999']);
});

test('back-off doubles from its base, with full jitter, up to ten times the base', () => {
  const delays = [1, 2, 3, 4, 5, 6].map((retry) => retryDelayMs(defaultRetryPolicy, retry, () => 0.999_999));
  assert.deepEqual(delays, [24, 49, 99, 199, 249, 249]);
  assert.equal(
    retryDelayMs(defaultRetryPolicy, 3, () => 0),
    0,
  );
});

test('grpc-timeout is read in every unit, and refused otherwise', () => {
  const read = ['1H', '2M', '3S', '4m', '5000u', '1n', '99999999S'].map(parseGrpcTimeout);
  assert.deepEqual(read, [3_600_000, 120_000, 3000, 4, 5, 1, 99_999_999_000]);
  for (const text of ['', '1', 'S', '1s', '-1S', '123456789S', '1.5S']) assert.equal(parseGrpcTimeout(text), undefined);
});
