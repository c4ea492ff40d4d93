import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { mustRun, runCommand } from '@ambit/runtime';
import { createAuthorityKeyAndCsr, createKeyAndCsr, makeSpiffeId, readCsr, requireSupportedKey } from './index.ts';

const id = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'cart' });

async function opensslRequest(...keyArguments: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-csr-'));
  try {
    const key = join(folder, 'key.pem');
    await mustRun(['openssl', 'genpkey', ...keyArguments, '-out', key]);
    return await mustRun([
      'openssl',
      'req',
      '-new',
      '-key',
      key,
      '-subj',
      '/O=x/CN=cart',
      '-addext',
      'subjectAltName=URI:spiffe://evil/ns/a/sa/b',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a request for a subordinate CA has its subject and no extensions, and openssl verifies its signature', async () => {
  const request = createAuthorityKeyAndCsr({ organization: 'cluster.local', commonName: 'ambit-ca' });
  const result = await runCommand(['openssl', 'req', '-verify', '-noout', '-text'], { stdin: request.csrPem });
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /Subject: O ?= ?cluster\.local, CN ?= ?ambit-ca/);
  assert.match(result.stdout, /Attributes:\s*\(none\)/);
  assert.equal(readCsr(request.csrPem).commonName, 'ambit-ca');
});

test('a request has an empty subject, the id as its only name, and openssl verifies its signature', async () => {
  const request = createKeyAndCsr(id);
  const result = await runCommand(['openssl', 'req', '-verify', '-noout', '-text'], { stdin: request.csrPem });
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /Subject: *\n/);
  assert.match(result.stdout, /Subject Alternative Name: \s*URI:spiffe:\/\/cluster\.local\/ns\/shop\/sa\/cart\n/);
  assert.match(result.stdout, /NIST CURVE: P-256/);
});

test('the private key is PKCS#8 and shows in no inspection or JSON', () => {
  const request = createKeyAndCsr(id);
  assert.match(request.privateKeyPem, /^-----BEGIN PRIVATE KEY-----\n/);
  const secret = request.privateKeyPem.split('\n')[1]!;
  for (const shown of [
    inspect(request, { depth: 9, showHidden: true }),
    JSON.stringify(request),
    String(request),
    JSON.stringify(Object.assign({}, request)),
  ]) {
    assert.ok(!shown.includes(secret));
  }
});

for (const [name, args] of [
  ['P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['RSA 2048', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
] as const) {
  test(`an openssl request with a ${name} key is read, its common name too`, async () => {
    const csr = readCsr(await opensslRequest(...args));
    assert.equal(csr.commonName, 'cart');
    assert.ok(csr.publicKeyInfo.length > 80);
  });
}

for (const [name, args] of [
  ['RSA 1024', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024']],
  ['secp256k1', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1']],
] as const) {
  test(`a request with a ${name} key is refused`, async () => {
    const request = await opensslRequest(...args);
    assert.throws(() => readCsr(request), { code: 'KEY_UNSUPPORTED' });
  });
}

test('a key of another kind is refused', () => {
  assert.throws(() => requireSupportedKey(generateKeyPairSync('ed25519').publicKey), { code: 'KEY_UNSUPPORTED' });
});

test('only the first block counts and text before it is allowed', () => {
  const { csrPem, publicKeyInfo } = createKeyAndCsr(id);
  const read = readCsr(`a comment\n${csrPem}-----BEGIN GARBAGE-----\n`);
  assert.deepEqual(Buffer.from(read.publicKeyInfo), Buffer.from(publicKeyInfo));
});

test('a request whose public key was exchanged is refused', () => {
  const own = Buffer.from(createKeyAndCsr(id).csrPem.replace(/-----.*-----|\n/g, ''), 'base64');
  const other = createKeyAndCsr(id);
  const theirs = Buffer.from(other.csrPem.replace(/-----.*-----|\n/g, ''), 'base64');
  const at = theirs.indexOf(other.publicKeyInfo);
  Buffer.from(own.subarray(at, at + other.publicKeyInfo.length)).copy(theirs, at);
  const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${theirs.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  assert.throws(() => readCsr(pem), { code: 'CSR_INVALID' });
});

test('text that is no request is refused', () => {
  for (const text of [
    '',
    'hello',
    '-----BEGIN CERTIFICATE REQUEST-----\n',
    'x'.repeat(40_000),
    '-----BEGIN X-----\nAA==\n-----END X-----',
  ]) {
    assert.throws(() => readCsr(text), { code: 'CSR_INVALID' });
  }
});
