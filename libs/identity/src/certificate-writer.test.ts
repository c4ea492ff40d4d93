import assert from 'node:assert/strict';
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { CertificateSigner, encodePem, parseCertificate, selfSignAuthority } from './index.ts';

const id = 'spiffe://cluster.local/ns/shop/sa/cart';
const hourMs = 3_600_000;
const now = Math.floor(Date.now() / 1000) * 1000;

function keys(kind: 'P-256' | 'P-384' | 'rsa') {
  return kind === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: kind });
}

for (const kind of ['P-256', 'P-384', 'rsa'] as const) {
  test(`a leaf signed by a ${kind} root verifies and has the contract's profile`, () => {
    const ca = keys(kind);
    const validity = { notBeforeMs: now - hourMs, notAfterMs: now + 10 * hourMs };
    const root = selfSignAuthority(
      { publicKey: ca.publicKey, organization: 'cluster.local', ...validity },
      ca.privateKey,
    );
    const signer = new CertificateSigner(root, ca.privateKey);
    const leafKeys = keys('P-256');
    const issued = signer.issueLeaf({
      publicKeyInfo: leafKeys.publicKey.export({ type: 'spki', format: 'der' }),
      altNames: { uris: [id] },
      notBeforeMs: now - 120_000,
      notAfterMs: now + hourMs,
    });
    const rootX509 = new X509Certificate(Buffer.from(root.der));
    const leaf = new X509Certificate(Buffer.from(issued.der));
    assert.equal(rootX509.ca, true);
    assert.equal(rootX509.subject, 'O=cluster.local');
    assert.ok(rootX509.verify(rootX509.publicKey));
    assert.ok(leaf.verify(rootX509.publicKey));
    assert.ok(leaf.checkIssued(rootX509));
    assert.ok(leaf.checkPrivateKey(leafKeys.privateKey));
    assert.equal(leaf.ca, false);
    assert.equal(leaf.subject ?? '', '');
    assert.equal(leaf.subjectAltName, `URI:${id}`);
    assert.deepEqual([...(leaf.keyUsage ?? [])].sort(), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    assert.equal(leaf.serialNumber.toLowerCase(), issued.serialHex);
    assert.equal(leaf.validFromDate.getTime(), now - 120_000);
    assert.equal(leaf.validToDate.getTime(), now + hourMs);
  });
}

test('openssl verifies leaf, intermediate and root for both purposes and shows the wanted extensions', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-x509-'));
  try {
    const ca = makeTestCa({ intermediate: true });
    const leaf = ca.issue(id);
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const roots = file('roots.pem', ca.rootsPem);
    const intermediates = file('int.pem', ca.intermediatesPem);
    const leafFile = file('leaf.pem', leaf.certificateChainPem);
    for (const purpose of ['sslserver', 'sslclient']) {
      const args = [
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-CAfile',
        roots,
        '-untrusted',
        intermediates,
        leafFile,
      ];
      const result = await runCommand(['openssl', ...args]);
      assert.equal(result.code, 0, result.stdout + result.stderr);
    }
    const { stdout } = await runCommand(['openssl', 'x509', '-in', leafFile, '-noout', '-text']);
    assert.match(stdout, /Subject: *\n/);
    assert.match(stdout, /Key Usage: critical\s+Digital Signature, Key Encipherment/);
    assert.match(stdout, /Basic Constraints: critical\s+CA:FALSE/);
    assert.match(stdout, /Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/shop\/sa\/cart/);
    assert.match(stdout, /Extended Key Usage: *\n/);
    assert.match(stdout, /Authority Key Identifier/);
    assert.doesNotMatch(stdout, /Subject Key Identifier/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('DNS names, addresses and a common name are written; names are then not critical', () => {
  const ca = keys('P-256');
  const validity = { notBeforeMs: now, notAfterMs: now + hourMs };
  const root = selfSignAuthority({ publicKey: ca.publicKey, organization: 'x', ...validity }, ca.privateKey);
  const issued = new CertificateSigner(root, ca.privateKey).issueLeaf({
    publicKeyInfo: ca.publicKey.export({ type: 'spki', format: 'der' }),
    altNames: { dnsNames: ['istiod.istio-system.svc'], ipAddresses: ['10.0.0.1', '::1', 'fd00:1::2:3'] },
    commonName: 'ca',
    purposes: ['serverAuth'],
    ...validity,
  });
  const leaf = new X509Certificate(Buffer.from(issued.der));
  assert.equal(leaf.subject, 'CN=ca');
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.ok(leaf.checkHost('istiod.istio-system.svc'));
  for (const address of ['10.0.0.1', '::1', 'fd00:1::2:3']) assert.ok(leaf.checkIP(address), address);
});

test('a date from 2050 on is written as GeneralizedTime', () => {
  const ca = keys('P-256');
  const notAfterMs = Date.UTC(2051, 1, 28, 23, 59, 59);
  const root = selfSignAuthority(
    { publicKey: ca.publicKey, organization: 'x', notBeforeMs: now, notAfterMs },
    ca.privateKey,
  );
  assert.equal(new X509Certificate(Buffer.from(root.der)).validToDate.getTime(), notAfterMs);
  assert.equal(root.notAfterMs, notAfterMs);
});

test('the parser reads back what the writer wrote', () => {
  const ca = makeTestCa({ intermediate: true });
  const leaf = ca.issue(id, { uris: ['spiffe://second/ns/a/sa/b'], dnsNames: ['x'] });
  const x509 = new X509Certificate(leaf.certificateChainPem);
  const parsed = parseCertificate(x509.raw);
  assert.deepEqual(parsed.uriSans, [id, 'spiffe://second/ns/a/sa/b']);
  assert.equal(parsed.serialNumber, BigInt(`0x${x509.serialNumber}`).toString());
  assert.equal(parsed.notBeforeMs, leaf.notBeforeMs);
  assert.equal(parsed.notAfterMs, leaf.notAfterMs);
  assert.equal(parsed.isCa, false);
  assert.deepEqual(Buffer.from(parsed.publicKeyInfo), x509.publicKey.export({ type: 'spki', format: 'der' }));
  const root = parseCertificate(new X509Certificate(ca.rootsPem).raw);
  assert.equal(root.isCa, true);
  assert.deepEqual(root.subject, root.issuer);
});

test('a repeated extension is refused', () => {
  const ca = makeTestCa();
  const leaf = new X509Certificate(ca.issue(id).certificateChainPem).raw;
  // Turns the basic constraints' OID (2.5.29.19) into a second key usage OID (2.5.29.15).
  const at = leaf.indexOf(Buffer.from('0603551d13', 'hex'));
  const twice = Buffer.from(leaf);
  twice[at + 4] = 0x0f;
  assert.throws(() => parseCertificate(twice), { code: 'CERTIFICATE_INVALID' });
});

test('two certificates of one signer never share a serial number', () => {
  const ca = makeTestCa();
  const serials = new Set(Array.from({ length: 50 }, () => ca.issue(id).serialNumber));
  assert.equal(serials.size, 50);
});

test('PEM has 64 characters a line and a final newline', () => {
  const pem = encodePem('CERTIFICATE', new Uint8Array(100));
  const lines = pem.split('\n');
  assert.equal(lines.at(-1), '');
  assert.ok(lines.every((line) => line.length <= 64));
  assert.ok(pem.endsWith('-----END CERTIFICATE-----\n'));
});
