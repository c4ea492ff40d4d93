import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type CorsRules, decideCors, drawFault, type OriginMatch } from './index.ts';

const rules: CorsRules = {
  allowOrigins: [
    { kind: 'exact', value: 'https://a.example' },
    { kind: 'wildcard', pattern: 'https://*.b.example' },
  ],
  allowMethods: ['GET', 'PUT'],
  allowHeaders: ['x-a'],
  exposeHeaders: ['x-b', 'x-c'],
  maxAgeSec: 5,
  allowsCredentials: false,
  forwardsUnmatchedPreflights: false,
};

const preflight = { method: 'OPTIONS', requestedMethod: 'PUT', requestedHeaders: 'x-a' };
const actual = { method: 'GET', requestedMethod: undefined, requestedHeaders: undefined };

test('an allowed preflight is answered with what is allowed', () => {
  assert.deepEqual(decideCors(rules, { ...preflight, origin: 'https://a.example' }), {
    kind: 'answer',
    status: 200,
    headers: [
      ['access-control-allow-origin', 'https://a.example'],
      ['access-control-allow-methods', 'GET, PUT'],
      ['access-control-allow-headers', 'x-a'],
      ['access-control-max-age', '5'],
      ['access-control-expose-headers', 'x-b, x-c'],
    ],
  });
});

test('with credentials a star is answered by what was asked', () => {
  const open: CorsRules = { ...rules, allowMethods: ['*'], allowHeaders: ['*'], allowsCredentials: true };
  const decision = decideCors(open, { ...preflight, origin: 'https://x.b.example' });
  assert.ok(decision.kind === 'answer');
  assert.deepEqual(decision.headers.slice(0, 4), [
    ['access-control-allow-origin', 'https://x.b.example'],
    ['access-control-allow-credentials', 'true'],
    ['access-control-allow-methods', 'PUT'],
    ['access-control-allow-headers', 'x-a'],
  ]);
  const plain = decideCors(
    { ...open, allowsCredentials: false },
    { ...preflight, requestedHeaders: undefined, origin: 'https://a.example' },
  );
  assert.ok(plain.kind === 'answer');
  assert.ok(!plain.headers.some(([name]) => name === 'access-control-allow-headers'));
});

test('a preflight of another origin is answered without headers, or forwarded', () => {
  const stranger = { ...preflight, origin: 'https://evil.example' };
  assert.deepEqual(decideCors(rules, stranger), { kind: 'answer', status: 200, headers: [] });
  assert.deepEqual(decideCors({ ...rules, forwardsUnmatchedPreflights: true }, stranger), {
    kind: 'forward',
    responseHeaders: [],
  });
});

test('other requests always go through, with headers for allowed origins only', () => {
  assert.deepEqual(decideCors(rules, { ...actual, origin: 'https://a.example' }), {
    kind: 'forward',
    responseHeaders: [
      ['access-control-allow-origin', 'https://a.example'],
      ['access-control-expose-headers', 'x-b, x-c'],
    ],
  });
  for (const origin of [undefined, 'https://evil.example', 'https://a.example.evil', 'null']) {
    assert.deepEqual(decideCors(rules, { ...actual, origin }), { kind: 'forward', responseHeaders: [] });
  }
});

test('wildcards match greedily, dots included, and never beyond their text', () => {
  const table: readonly (readonly [pattern: string, origin: string, isMatch: boolean])[] = [
    ['*', 'https://any', true],
    ['https://*.example', 'https://a.b.example', true],
    ['https://*.example', 'https://.example', true],
    ['https://*.example', 'https://example', false],
    ['https://*.example', 'https://a.example.evil', false],
    ['https://*.a.*', 'https://x.a.y', true],
    ['https://a*a', 'https://a', false],
  ];
  for (const [pattern, origin, isMatch] of table) {
    const allowOrigins: OriginMatch[] = [{ kind: 'wildcard', pattern }];
    const decision = decideCors({ ...rules, allowOrigins }, { ...actual, origin });
    assert.equal(decision.kind === 'forward' && decision.responseHeaders.length > 0, isMatch, `${pattern} ${origin}`);
  }
});

test('faults come in their shares, and not without one', () => {
  const fault = {
    delayMs: 100,
    delayPerMillion: 250_000,
    abortPerMillion: 0,
    abortStatus: 503,
    abortGrpcStatus: undefined,
  };
  assert.deepEqual(
    drawFault(fault, () => 0.2),
    { delayMs: 100, abort: undefined },
  );
  assert.deepEqual(
    drawFault(fault, () => 0.25),
    { delayMs: 0, abort: undefined },
  );
  assert.deepEqual(
    drawFault({ ...fault, abortPerMillion: 1_000_000 }, () => 0.999),
    {
      delayMs: 0,
      abort: { status: 503, grpcStatus: undefined },
    },
  );
});
