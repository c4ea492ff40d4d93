/** TLS of DestinationRules: what it needs is there, or connections fail. Spec: l7.md section 3.4. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientTlsSpec, Secret } from '@ambit/kube';
import { makeTestCa } from '@ambit/testing';
import { type CredentialFinder, originatedTls } from './origination.ts';

const ca = makeTestCa();
const { certificateChainPem, privateKeyPem } = ca.issue('spiffe://cluster.local/ns/shop/sa/client');
const other = ca.issue('spiffe://cluster.local/ns/shop/sa/other');
const simple: ClientTlsSpec = {
  mode: 'SIMPLE',
  sni: undefined,
  subjectAltNames: [],
  credentialName: undefined,
  insecureSkipVerify: false,
  namesFiles: false,
};
const mutual: ClientTlsSpec = { ...simple, mode: 'MUTUAL', credentialName: 'client' };

function secrets(entries: Readonly<Record<string, Partial<Secret>>>): CredentialFinder {
  return (name) => {
    const found = entries[name];
    if (found === undefined) return undefined;
    return {
      kind: 'Secret',
      metadata: {} as Secret['metadata'],
      origin: {} as Secret['origin'],
      type: 'Opaque',
      certificateChainPem: undefined,
      privateKeyPem: undefined,
      rootsPem: undefined,
      revocationsPem: undefined,
      ...found,
    };
  };
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
const none = secrets({});

test('the tunnel is enough for the modes that ask for no more', () => {
  for (const mode of ['DISABLE', 'ISTIO_MUTUAL']) assert.equal(originatedTls({ ...simple, mode }, none, []), undefined);
});

test('SIMPLE trusts the roots of the system, or of a Secret, or of its companion', () => {
  assert.equal(originatedTls(simple, none, [])?.useSystemRoots, true);
  const named = { ...simple, credentialName: 'c' };
  for (const at of ['c', 'c-cacert']) {
    const tls = originatedTls(named, secrets({ [at]: { rootsPem: ca.rootsPem } }), []);
    assert.deepEqual([text(tls?.rootsPem), tls?.useSystemRoots], [ca.rootsPem, false]);
    const listed = originatedTls(named, secrets({ [at]: { rootsPem: ca.rootsPem, revocationsPem: 'lists' } }), []);
    assert.equal(text(listed?.revocationsPem), 'lists');
  }
});

test('MUTUAL shows the certificate of its Secret', () => {
  const pair = { certificateChainPem, privateKeyPem };
  const tls = originatedTls(mutual, secrets({ client: { ...pair, rootsPem: ca.rootsPem } }), []);
  assert.deepEqual(
    [text(tls?.clientCertificateChainPem), text(tls?.clientPrivateKeyPem), text(tls?.rootsPem)],
    [certificateChainPem, privateKeyPem, ca.rootsPem],
  );
  const withoutRoots = originatedTls(mutual, secrets({ client: pair }), []);
  assert.equal(withoutRoots?.useSystemRoots, true);
});

test('what is missing or does not fit makes connections fail: nobody is trusted', () => {
  const foreign = { certificateChainPem, privateKeyPem: other.privateKeyPem, rootsPem: ca.rootsPem };
  const cases: readonly (readonly [ClientTlsSpec, CredentialFinder])[] = [
    [mutual, none],
    [{ ...mutual, credentialName: undefined }, none],
    [mutual, secrets({ client: { rootsPem: ca.rootsPem } })],
    [mutual, secrets({ client: foreign })],
    [mutual, secrets({ client: { certificateChainPem, privateKeyPem, rootsPem: 'no certificate' } })],
    [{ ...simple, credentialName: 'c' }, none],
    [{ ...simple, credentialName: 'c' }, secrets({ c: { rootsPem: 'no certificate' } })],
    [{ ...simple, namesFiles: true }, none],
    [{ ...mutual, namesFiles: true }, secrets({ client: { certificateChainPem, privateKeyPem } })],
  ];
  for (const [i, [spec, credential]] of cases.entries()) {
    const tls = originatedTls(spec, credential, []);
    assert.ok(tls !== undefined, `case ${i}`);
    const { rootsPem, useSystemRoots, insecureSkipVerify, clientPrivateKeyPem } = tls;
    assert.deepEqual(
      [rootsPem.length, useSystemRoots, insecureSkipVerify, clientPrivateKeyPem.length],
      [0, false, false, 0],
      `case ${i}`,
    );
  }
});

test('names of the rule count before those of the service', () => {
  const names = (written: readonly string[]): readonly string[] | undefined =>
    originatedTls({ ...simple, subjectAltNames: [...written] }, none, ['of.service'])?.subjectAltNames;
  assert.deepEqual(names([]), ['of.service']);
  assert.deepEqual(names(['of.rule']), ['of.rule']);
});
