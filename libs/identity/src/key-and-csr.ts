/** Makes a fresh key pair and the request to certify it. Spec: data-plane contract 8.2; RFC 2986. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { encodeAltNames, encodeName } from './certificate-writer.ts';
import { Tag } from './der-reader.ts';
import { derBitString, derElement, derOctetString, derOid, derSequence, derSet } from './der-writer.ts';
import { encodePem } from './pem.ts';
import type { SpiffeId } from './spiffe-id.ts';
import { Oid } from './x509-oids.ts';

/** A private key that exists in memory only, with its request. Inspection, JSON and loggers see the request only. */
export class KeyAndCsr {
  /** PKCS#10 as PEM. */
  readonly csrPem: string;
  /** SubjectPublicKeyInfo of the new key, DER: what the certificate must hold. */
  readonly publicKeyInfo: Uint8Array;
  readonly #privateKeyPem: string;

  constructor(csrPem: string, publicKeyInfo: Uint8Array, privateKeyPem: string) {
    this.csrPem = csrPem;
    this.publicKeyInfo = publicKeyInfo;
    this.#privateKeyPem = privateKeyPem;
  }

  /** PKCS#8 PEM. A getter on the prototype, so that it is not enumerable and never copied by accident. */
  get privateKeyPem(): string {
    return this.#privateKeyPem;
  }
}

/** Generates a P-256 key and a request with empty subject and the id as its one URI name. */
export function createKeyAndCsr(identity: SpiffeId): KeyAndCsr {
  const altNames = derSequence(derOid(Oid.subjectAltName), derOctetString(encodeAltNames({ uris: [identity] })));
  const attribute = derSequence(derOid(Oid.extensionRequest), derSet(derSequence(altNames)));
  return signRequest(derSequence(), attribute);
}

/**
 * Generates a P-256 key and a request for the certificate of a subordinate CA. It asks for no extensions: what a
 * subordinate may do is for the CA above to say.
 */
export function createAuthorityKeyAndCsr(subject: {
  readonly organization: string;
  readonly commonName: string;
}): KeyAndCsr {
  const name = encodeName([
    [Oid.organization, subject.organization],
    [Oid.commonName, subject.commonName],
  ]);
  return signRequest(name);
}

function signRequest(subject: Uint8Array, ...attributes: readonly Uint8Array[]): KeyAndCsr {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' });
  const info = derSequence(VERSION_1, subject, publicKeyInfo, derElement(Tag.context0, ...attributes));
  const csr = derSequence(
    info,
    derSequence(derOid(Oid.ecdsaWithSha256)),
    derBitString(sign('sha256', info, privateKey)),
  );
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return new KeyAndCsr(encodePem('CERTIFICATE REQUEST', csr), publicKeyInfo, String(privateKeyPem));
}

const VERSION_1: Uint8Array = Uint8Array.of(Tag.integer, 1, 0);
