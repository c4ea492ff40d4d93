import assert from 'node:assert/strict';
import { type KeyObject, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import {
  CertificateSigner,
  type WorkloadCertificate,
  acceptCaResponse,
  createKeyAndCsr,
  encodePem,
  makeSpiffeId,
  selfSignAuthority,
} from '@ambit/identity';
import { systemClock } from '@ambit/runtime';
import { type MaterialPem, checkMaterial } from '../keys/signing-material.ts';
import { handshake } from '../testing/handshake.ts';
import { CertificateAuthority, type MaterialChange } from './certificate-authority.ts';

const dayMs = 86_400_000;
const now = Math.floor(Date.now() / 1000) * 1000;
const validity = { notBeforeMs: now - dayMs, notAfterMs: now + 100 * dayMs };

interface Root {
  readonly pem: string;
  /** Material whose signer is a fresh intermediate under this root. */
  intermediate(bundle: string): MaterialPem;
}

function makeRoot(kind: 'ec' | 'rsa'): Root {
  const keys = (): { publicKey: KeyObject; privateKey: KeyObject } =>
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rootKeys = keys();
  const root = selfSignAuthority(
    { publicKey: rootKeys.publicKey, organization: 'td', ...validity },
    rootKeys.privateKey,
  );
  const signer = new CertificateSigner(root, rootKeys.privateKey);
  const pem = encodePem('CERTIFICATE', root.der);
  return {
    pem,
    intermediate: (bundle) => {
      const own = keys();
      const issued = signer.issueAuthority({
        publicKey: own.publicKey,
        organization: 'td',
        commonName: 'int',
        ...validity,
      });
      const certificate = encodePem('CERTIFICATE', issued.der);
      const signingKey = own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { signingCertificate: certificate, signingKey, roots: bundle, chain: certificate + pem };
    },
  };
}

function makeAuthority(pem: MaterialPem): CertificateAuthority {
  return new CertificateAuthority(checkMaterial(pem, now), systemClock);
}

const identity = makeSpiffeId({ trustDomain: 'td', namespace: 'ns', serviceAccount: 'sa' });

function issueFor(authority: CertificateAuthority): WorkloadCertificate {
  const key = createKeyAndCsr(identity);
  const request = {
    publicKeyInfo: key.publicKeyInfo,
    altNames: { uris: [identity] },
    commonName: '',
    ttlMs: 3_600_000,
  };
  return acceptCaResponse(identity, authority.issue(request).certChain, key, Date.now());
}

for (const kind of ['ec', 'rsa'] as const) {
  test(`a ${kind} root is rotated in three steps under handshakes of workloads that renew at any time`, async () => {
    const oldRoot = makeRoot(kind);
    const newRoot = makeRoot(kind);
    const both = oldRoot.pem + newRoot.pem;
    const start = oldRoot.intermediate(oldRoot.pem);
    const authority = makeAuthority(start);
    const nextSigner = newRoot.intermediate(both);
    const steps: readonly MaterialPem[] = [
      { ...start, roots: both },
      nextSigner,
      { ...nextSigner, roots: newRoot.pem },
    ];
    let workloads = Array.from({ length: 4 }, () => issueFor(authority));
    const everyPair = async (): Promise<void> => {
      const pairs = workloads.flatMap((a) => workloads.map((b) => [a, b] as const));
      await Promise.all(pairs.map(([a, b]) => handshake(a, b)));
    };
    await everyPair();
    for (const step of steps) {
      // Handshakes run while the material changes, and while workloads renew one after the other.
      const during = everyPair();
      authority.replace(checkMaterial(step, now));
      await during;
      for (let index = 0; index < workloads.length; index += 1) {
        workloads = workloads.with(index, issueFor(authority));
        await everyPair();
      }
    }
    assert.deepEqual(new Set(workloads.map(({ rootsPem }) => rootsPem)), new Set([newRoot.pem]));
  });
}

test('an intermediate is exchanged under the same root at any time', async () => {
  const root = makeRoot('ec');
  const authority = makeAuthority(root.intermediate(root.pem));
  const changes: MaterialChange[] = [];
  authority.onReplaced((change) => changes.push(change));
  const before = issueFor(authority);
  authority.replace(checkMaterial(root.intermediate(root.pem), now));
  const after = issueFor(authority);
  assert.notEqual(before.chain[1]?.pem, after.chain[1]?.pem);
  await Promise.all([handshake(before, after), handshake(after, before)]);
  assert.deepEqual(
    changes.map(({ isNewSigner, addedRoots, removedRoots }) => [isNewSigner, addedRoots, removedRoots]),
    [[true, [], []]],
  );
});

test('a bundle that shares no root with the present one is refused and the old material stays', () => {
  const root = makeRoot('ec');
  const other = makeRoot('ec');
  const authority = makeAuthority(root.intermediate(root.pem));
  const before = authority.material;
  assert.throws(() => authority.replace(checkMaterial(other.intermediate(other.pem), now)), {
    code: 'ROOT_CHANGE_REFUSED',
  });
  assert.equal(authority.material, before);
});

test('trap 43: a new signer is refused until its root has been published with the old signer', () => {
  const root = makeRoot('ec');
  const next = makeRoot('ec');
  const both = root.pem + next.pem;
  const start = root.intermediate(root.pem);
  const authority = makeAuthority(start);
  const rushed = checkMaterial(next.intermediate(both), now);
  assert.throws(() => authority.replace(rushed), { code: 'ROOT_CHANGE_REFUSED' });
  authority.replace(checkMaterial({ ...start, roots: both }, now));
  authority.replace(rushed);
});

test('replacing material by the same material tells nobody', () => {
  const root = makeRoot('ec');
  const pem = root.intermediate(root.pem);
  const authority = makeAuthority(pem);
  authority.onReplaced(() => assert.fail('told'));
  authority.replace(checkMaterial(pem, now));
});

test('a certificate ends with its signer, and an expired signer signs nothing', () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const short = { notBeforeMs: now - dayMs, notAfterMs: now + 600_000 };
  const root = selfSignAuthority({ publicKey: keys.publicKey, organization: 'td', ...short }, keys.privateKey);
  const pem = encodePem('CERTIFICATE', root.der);
  const signingKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const material = checkMaterial({ signingCertificate: pem, signingKey, roots: pem, chain: '' }, now);
  assert.equal(issueFor(new CertificateAuthority(material, systemClock)).notAfterMs, now + 600_000);
  const later = { ...systemClock, wallTimeMs: () => now + 600_000 };
  assert.throws(() => issueFor(new CertificateAuthority(material, later)), { code: 'SIGNER_EXPIRED' });
});
