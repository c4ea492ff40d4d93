import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { before, test } from 'node:test';

import fc from 'fast-check';
import { exportJWK, SignJWT } from 'jose';

import {
  authenticateRequest,
  type JwtRefusal,
  jwtRefusalDetails,
  jwtRefusalStatus,
  jwtRefusalText,
  type JwtRule,
  KeySet,
  type RequestAuthentication,
  type TokenBearer,
} from '../index.ts';

const now = 1_800_000_000;
const issuer = 'https://issuer.example';

interface Signer {
  readonly algorithm: string;
  readonly key: KeyObject | Uint8Array;
  readonly jwk: Record<string, unknown>;
}

const signers = new Map<string, Signer>();
let keys: KeySet;

before(async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  for (const algorithm of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']) await addSigner(algorithm, rsa);
  await addSigner('ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  await addSigner('ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' }));
  await addSigner('ES512', generateKeyPairSync('ec', { namedCurve: 'P-521' }));
  await addSigner('EdDSA', generateKeyPairSync('ed25519'));
  for (const algorithm of ['HS256', 'HS384', 'HS512']) {
    const secret = Buffer.alloc(64, algorithm);
    signers.set(algorithm, {
      algorithm,
      key: secret,
      jwk: { kty: 'oct', k: secret.toString('base64url'), kid: algorithm },
    });
  }
  keys = KeySet.parse(JSON.stringify({ keys: [...signers.values()].map(({ jwk }) => jwk) }));
});

async function addSigner(algorithm: string, pair: { publicKey: KeyObject; privateKey: KeyObject }): Promise<void> {
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: algorithm, alg: algorithm, use: 'sig' };
  signers.set(algorithm, { algorithm, key: pair.privateKey, jwk });
}

function signer(algorithm: string): Signer {
  const found = signers.get(algorithm);
  assert.ok(found, algorithm);
  return found;
}

async function sign(
  claims: Record<string, unknown> = {},
  algorithm = 'ES256',
  header: Record<string, unknown> = {},
): Promise<string> {
  return await new SignJWT({ iss: issuer, sub: 'alice', exp: now + 600, ...claims })
    .setProtectedHeader({ alg: algorithm, kid: algorithm, ...header })
    .sign(signer(algorithm).key);
}

function rule(changes: Partial<JwtRule> = {}): JwtRule {
  return {
    issuer,
    audiences: [],
    places: [],
    keys,
    forwardsToken: false,
    payloadHeader: undefined,
    claimHeaders: [],
    spaceDelimitedClaims: [],
    ...changes,
  };
}

function bearer(headers: Record<string, string>, parameters: Record<string, string> = {}, method = 'GET'): TokenBearer {
  return { method, header: (name) => headers[name], queryParameter: (name) => parameters[name] };
}

function withToken(token: string, rules: readonly JwtRule[] = [rule()]): RequestAuthentication {
  return authenticateRequest(rules, bearer({ authorization: `Bearer ${token}` }), now * 1000);
}

function refusal(result: RequestAuthentication): JwtRefusal | undefined {
  return result.kind === 'refused' ? result.refusal : undefined;
}

test('a token of every algorithm, made by an independent library, is accepted', async () => {
  for (const algorithm of signers.keys()) {
    const result = withToken(await sign({}, algorithm));
    assert.ok(result.kind === 'passed', `${algorithm} ${refusal(result)}`);
    assert.equal(result.token?.subject, 'alice');
  }
});

test('no token passes without an identity, as do preflights with a bad one', async () => {
  assert.deepEqual(authenticateRequest([rule()], bearer({}), now * 1000), {
    kind: 'passed',
    token: undefined,
    edits: { removedHeaders: [], removedParameters: [], setHeaders: [] },
  });
  const preflight = { origin: 'https://a', 'access-control-request-method': 'GET', authorization: 'Bearer x' };
  assert.equal(authenticateRequest([rule()], bearer(preflight, {}, 'OPTIONS'), now * 1000).kind, 'passed');
  assert.equal(authenticateRequest([rule()], bearer(preflight, {}, 'GET'), now * 1000).kind, 'refused');
});

test('times count with a minute of tolerance', async () => {
  assert.equal(refusal(withToken(await sign({ exp: now - 59 }))), undefined);
  assert.equal(refusal(withToken(await sign({ exp: now - 60 }))), 'expired');
  assert.equal(refusal(withToken(await sign({ nbf: now + 60 }))), undefined);
  assert.equal(refusal(withToken(await sign({ nbf: now + 61 }))), 'not-yet-valid');
  const token = unsigned({ alg: 'HS256', kid: 'HS256' }, { iss: issuer, exp: 'never' });
  assert.equal(refusal(withToken(hmacSigned(token))), 'expired');
});

test('what is wrong is said in the words users know', async () => {
  const good = await sign();
  const [header = '', payload = '', signature = ''] = good.split('.');
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const cases: readonly (readonly [token: string, refusal: JwtRefusal])[] = [
    ['', 'form'],
    ['a.b', 'form'],
    ['a.b.c.d', 'form'],
    [`${good}.`, 'form'],
    [`${'a'.repeat(17_000)}.b.c`, 'form'],
    [`=.${payload}.${signature}`, 'header-base64'],
    [`${Buffer.from('[]').toString('base64url')}.${payload}.${signature}`, 'header-json'],
    [`${part({})}.${payload}.${signature}`, 'header-alg'],
    [`${part({ alg: 'ES256', kid: 1 })}.${payload}.${signature}`, 'header-kid'],
    [`${part({ alg: 'ES256', crit: ['b64'], b64: false })}.${payload}.${signature}`, 'alg-unsupported'],
    [`${part({ alg: 'none' })}.${payload}.${signature}`, 'alg-unsupported'],
    [`${header}.+.${signature}`, 'payload-base64'],
    [`${header}.${Buffer.from('x').toString('base64url')}.${signature}`, 'payload-json'],
    [`${header}.${payload}.=`, 'signature-base64'],
    [`${header}.${payload}.${signature.slice(0, -2)}`, 'signature'],
    [`${header}.${part({ iss: issuer, sub: 'eve' })}.${signature}`, 'signature'],
    [`${part({ alg: 'ES256', kid: 'unknown' })}.${payload}.${signature}`, 'no-key'],
    [await sign({ iss: 'https://other' }), 'issuer'],
  ];
  for (const [token, expected] of cases) assert.equal(refusal(withToken(token)), expected, token.slice(0, 60));
  assert.equal(refusal(withToken(await sign({ aud: ['a'] }), [rule({ audiences: ['b'] })])), 'audience');
  assert.equal(refusal(withToken(good, [rule({ keys: KeySet.unavailable })])), 'keys-unavailable');
  assert.equal(jwtRefusalText('expired'), 'Jwt is expired');
  assert.deepEqual([jwtRefusalStatus('expired'), jwtRefusalStatus('audience')], [401, 403]);
  assert.equal(jwtRefusalDetails('expired'), 'jwt_authn_access_denied{Jwt_is_expired}');
});

function unsigned(header: unknown, claims: unknown): string {
  return [header, claims].map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')).join('.');
}

function hmacSigned(text: string, secret: string | Uint8Array = Buffer.alloc(64, 'HS256')): string {
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

test('a public key is never taken for a shared secret (algorithm confusion)', () => {
  const { jwk } = signer('RS256');
  const only = KeySet.parse(JSON.stringify({ keys: [{ ...jwk, alg: undefined }] }));
  const text = unsigned({ alg: 'HS256', kid: 'RS256' }, { iss: issuer, sub: 'eve' });
  assert.equal(refusal(withToken(hmacSigned(text, String(jwk['n'])), [rule({ keys: only })])), 'no-key');
});

test('a key set takes what it can use and refuses to be empty', () => {
  const { jwk } = signer('ES256');
  const parse = (value: unknown): KeySet => KeySet.parse(JSON.stringify(value));
  assert.throws(() => KeySet.parse('{'), /not JSON/);
  assert.throws(() => parse([]), /no list/);
  assert.throws(() => parse({ keys: [] }), /no usable key/);
  assert.throws(() => parse({ keys: [{ ...jwk, use: 'enc' }, { kty: 'unknown' }, 7] }), /no usable key/);
  assert.throws(() => parse({ keys: Array.from({ length: 101 }, () => jwk) }), /more than 100/);
  assert.ok(parse({ keys: [{ kty: 'unknown' }, jwk] }));
});

test('a short RSA key or secret verifies nothing', async () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const set = KeySet.parse(JSON.stringify({ keys: [await exportJWK(weak.publicKey)] }));
  assert.equal(refusal(withToken(await sign({}, 'RS256'), [rule({ keys: set })])), 'no-key');
  const secret = KeySet.parse(
    JSON.stringify({ keys: [{ kty: 'oct', k: Buffer.from('short').toString('base64url') }] }),
  );
  const text = unsigned({ alg: 'HS256' }, { iss: issuer });
  assert.equal(refusal(withToken(hmacSigned(text, 'short'), [rule({ keys: secret })])), 'no-key');
});

test('tokens are found where the rule says, and only there', async () => {
  const token = await sign();
  const at = (place: JwtRule['places'][number], who: TokenBearer): boolean => {
    const result = authenticateRequest([rule({ places: [place] })], who, now * 1000);
    return result.kind === 'passed' && result.token !== undefined;
  };
  const header = { kind: 'header', name: 'x-jwt', prefix: 'T ' } as const;
  assert.ok(at(header, bearer({ 'x-jwt': `T ${token}` })));
  assert.ok(!at(header, bearer({ 'x-jwt': token })));
  assert.ok(!at(header, bearer({ authorization: `Bearer ${token}` })));
  assert.ok(at({ kind: 'parameter', name: 't' }, bearer({}, { t: token })));
  assert.ok(at({ kind: 'cookie', name: 'session' }, bearer({ cookie: `a=b; session=${token}; c=d` })));
  assert.ok(authenticateRequest([rule()], bearer({}, { access_token: token }), now * 1000).kind === 'passed');
});

test('with several rules one good token is enough, and a stranger is told what is wrong', async () => {
  const other = rule({ issuer: 'https://other', audiences: ['x'] });
  assert.equal(withToken(await sign(), [other, rule()]).kind, 'passed');
  assert.equal(refusal(withToken(await sign({ iss: 'https://third' }), [other, rule()])), 'issuer');
  assert.equal(refusal(withToken(await sign({ exp: now - 100 }), [other, rule()])), 'expired');
});

test('claims reach headers, and a client cannot set those headers itself', async () => {
  const rules = [
    rule({
      payloadHeader: 'x-payload',
      claimHeaders: [
        { header: 'x-user', claim: ['sub'] },
        { header: 'x-level', claim: ['realm', 'level'] },
        { header: 'x-list', claim: ['groups'] },
        { header: 'x-split', claim: ['evil'] },
      ],
    }),
  ];
  const token = await sign({ realm: { level: 3 }, groups: ['a'], evil: 'a\r\nx: y' });
  const result = withToken(token, rules);
  assert.ok(result.kind === 'passed');
  assert.deepEqual(result.edits.setHeaders, [
    ['x-payload', token.split('.')[1]],
    ['x-user', 'alice'],
    ['x-level', '3'],
  ]);
  const forged = ['x-payload', 'x-user', 'x-level', 'x-list', 'x-split'];
  assert.deepEqual(result.edits.removedHeaders, [...forged, 'authorization']);
  const anonymous = authenticateRequest(rules, bearer({ 'x-user': 'root' }), now * 1000);
  assert.ok(anonymous.kind === 'passed');
  assert.deepEqual(anonymous.edits.removedHeaders, forged);
  const kept = withToken(token, [rule({ forwardsToken: true })]);
  assert.ok(kept.kind === 'passed');
  assert.deepEqual(kept.edits.removedHeaders, []);
});

test('claims are strings, lists of strings or words; anything else matches nothing', async () => {
  const token = await sign({
    groups: ['a', 1, 'b'],
    scope: 'read write',
    n: 5,
    nested: { x: ['y'] },
    words: 'p q',
    __proto__: null,
  });
  const result = withToken(token, [rule({ spaceDelimitedClaims: ['words'] })]);
  assert.ok(result.kind === 'passed' && result.token !== undefined);
  const claim = (...path: string[]): readonly string[] => result.token?.claim(path) ?? ['none'];
  assert.deepEqual(
    [
      claim('groups'),
      claim('scope'),
      claim('n'),
      claim('nested', 'x'),
      claim('nested'),
      claim('words'),
      claim('toString'),
    ],
    [['a', 'b'], ['read', 'write'], [], ['y'], [], ['p', 'q'], []],
  );
});

test('no text of a token makes it throw, and no change of a good one is accepted', async () => {
  const good = await sign();
  fc.assert(
    fc.property(
      fc.nat(good.length - 1),
      fc.constantFrom('a', 'b', 'Z', '0', '9', '-', '_', '.', '=', '+', '/', ' ', '\0'),
      (at, character) => {
        const changed = good.slice(0, at) + character + good.slice(at + 1);
        if (changed === good) return;
        // The last character of the signature has bits that encode nothing.
        if (at === good.length - 1) return;
        assert.equal(withToken(changed).kind, 'refused');
      },
    ),
    { seed: 2, numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      assert.equal(withToken(text).kind, 'refused');
    }),
    { seed: 2, numRuns: 500 },
  );
});

test('a token that was good is known again: only with its own signature, its own keys, and in its time', async () => {
  const good = await sign();
  assert.equal(withToken(good).kind, 'passed');
  assert.equal(withToken(good).kind, 'passed');
  const other = await sign({ sub: 'bob' });
  const forged = [...good.split('.').slice(0, 2), other.split('.')[2]].join('.');
  assert.equal(refusal(withToken(forged)), 'signature');
  const rotated = rule({ keys: KeySet.parse(JSON.stringify({ keys: [signer('ES384').jwk] })) });
  assert.equal(refusal(withToken(good, [rotated])), 'no-key');
  const later = authenticateRequest([rule()], bearer({ authorization: `Bearer ${good}` }), (now + 700) * 1000);
  assert.equal(refusal(later), 'expired');
});

test('more tokens than are remembered are accepted all the same', async () => {
  const tokens = await Promise.all(Array.from({ length: 600 }, async (_, i) => await sign({ jti: i }, 'EdDSA')));
  for (const token of [...tokens, ...tokens]) assert.equal(withToken(token).kind, 'passed');
});
