import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import { SignJWT } from 'jose';
import { TokenVerifier } from './token-verifier.ts';

const directory = mkdtempSync(join(tmpdir(), 'ambit-tokens-'));
after(() => rmSync(directory, { recursive: true }));
const jwksFile = join(directory, 'jwks.json');
const clock = new ManualClock();
const nowSec = clock.wallTimeMs() / 1000;
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function writeKeys(...keys: KeyObject[]): void {
  writeFileSync(jwksFile, JSON.stringify({ keys: keys.map((key) => key.export({ format: 'jwk' })) }));
}
writeKeys(pair.publicKey);

async function token(changes: { sub?: string; aud?: string; exp?: number; key?: KeyObject } = {}): Promise<string> {
  const {
    sub = 'system:serviceaccount:istio-system:ztunnel',
    aud = 'istio-ca',
    exp = nowSec + 60,
    key = pair.privateKey,
  } = changes;
  const jwt = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256' })
    .setSubject(sub)
    .setAudience(aud)
    .setExpirationTime(exp)
    .sign(key);
  return `Bearer ${jwt}`;
}

const verifier = new TokenVerifier({ jwksFile, audiences: ['istio-ca'], clock });

test('a good token gives namespace and service account', async () => {
  assert.deepEqual(await verifier.verify(await token()), {
    kind: 'verified',
    namespace: 'istio-system',
    serviceAccount: 'ztunnel',
    pod: undefined,
  });
});

test('anything else is refused', async () => {
  const unsigned = `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"system:serviceaccount:a:b"}').toString('base64url')}.`;
  const bad = [
    undefined,
    'Basic x',
    `Bearer ${'x'.repeat(20_000)}`,
    'Bearer x.y.z',
    unsigned,
    await token({ sub: 'system:node:n' }),
    await token({ sub: 'system:serviceaccount:a/b:c' }),
    await token({ aud: 'other' }),
    await token({ exp: nowSec - 60 }),
    await token({ key: other.privateKey }),
  ];
  for (const header of bad) assert.equal((await verifier.verify(header)).kind, 'refused', String(header));
});

test('keys are read again when the file is replaced, and a private key is not accepted', async () => {
  const signedByOther = await token({ key: other.privateKey });
  writeKeys(other.publicKey);
  assert.equal((await verifier.verify(signedByOther)).kind, 'verified');
  writeKeys(other.privateKey);
  const verdict = await verifier.verify(signedByOther);
  assert.match(verdict.kind === 'refused' ? verdict.reason : '', /private or symmetric key/);
  writeKeys(pair.publicKey);
});

test('a token verified before is refused once it expires or its key is gone', async () => {
  const own = new ManualClock();
  const remembering = new TokenVerifier({ jwksFile, audiences: ['istio-ca'], clock: own });
  utimesSync(jwksFile, 1_000_000, 1_000_000);
  const good = await token({ exp: nowSec + 600 });
  const short = await token({ exp: nowSec + 60 });
  for (let round = 0; round < 3; round += 1) {
    for (const header of [good, short]) assert.equal((await remembering.verify(header)).kind, 'verified');
  }
  own.advance(71_000);
  assert.equal((await remembering.verify(short)).kind, 'refused');
  assert.equal((await remembering.verify(good)).kind, 'verified');
  writeKeys(other.publicKey);
  assert.equal((await remembering.verify(good)).kind, 'refused');
  writeKeys(pair.publicKey);
});

test('a token that differs in one character from a verified one is refused', async () => {
  const good = await token();
  assert.equal((await verifier.verify(good)).kind, 'verified');
  const at = good.lastIndexOf('.') + 5;
  const changed = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1);
  assert.equal((await verifier.verify(changed)).kind, 'refused');
});
