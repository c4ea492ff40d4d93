/**
 * Writes and signs X.509 certificates. All parts that are the same for every leaf of one signer are encoded once, so a
 * leaf costs one signature and a handful of small buffers (measured by apps/ca/bench/issue.ts).
 *
 * Spec: RFC 5280; the leaf profile is control-plane contract 6.1 step 5.
 */
import { type KeyObject, createHash, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { DerReader, Tag } from './der-reader.ts';
import {
  derBitString,
  derElement,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derString,
  derTime,
  derTrue,
  derUnsignedInteger,
} from './der-writer.ts';
import { IdentityError } from './identity-error.ts';
import { type SignatureAlgorithm, signatureAlgorithmOf } from './signing-key.ts';
import { type ParsedCertificate, parseCertificate } from './x509-certificate.ts';
import { Oid } from './x509-oids.ts';

/** Names a leaf certificate is valid for. */
export interface SubjectAltNames {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** What a leaf certificate says. */
export interface LeafTemplate {
  /** Complete SubjectPublicKeyInfo element of the key that is certified. */
  readonly publicKeyInfo: Uint8Array;
  readonly altNames: SubjectAltNames;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Put into the subject if not empty; with an empty subject the alternative names are critical. */
  readonly commonName?: string;
  /** Extended key usages; default both. */
  readonly purposes?: readonly ('serverAuth' | 'clientAuth')[];
}

/** What a CA certificate says. */
export interface AuthorityTemplate {
  readonly publicKey: KeyObject;
  readonly organization: string;
  readonly commonName?: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** How many further CA certificates may follow below; unlimited if absent. */
  readonly maxPathLength?: number;
}

/** A certificate as written. */
export interface IssuedCertificate {
  readonly der: Uint8Array;
  /** Lower-case hexadecimal. */
  readonly serialHex: string;
}

/** Signs certificates in the name of one CA certificate. Holds the private key, which no inspection shows. */
export class CertificateSigner {
  readonly #key: KeyObject;
  readonly #algorithm: SignatureAlgorithm;
  readonly #issuer: Uint8Array;
  readonly #authorityKeyId: Uint8Array;

  /** The key must belong to the certificate; not checked here. Throws IdentityError KEY_UNSUPPORTED. */
  constructor(certificate: ParsedCertificate, key: KeyObject) {
    this.#key = key;
    this.#algorithm = signatureAlgorithmOf(key);
    this.#issuer = certificate.subject;
    this.#authorityKeyId =
      certificate.subjectKeyId === undefined
        ? EMPTY
        : extension(Oid.authorityKeyIdentifier, false, derSequence(derElement(0x80, certificate.subjectKeyId)));
  }

  /** Signs a workload or server certificate. */
  issueLeaf(template: LeafTemplate): IssuedCertificate {
    const hasSubject = template.commonName !== undefined && template.commonName !== '';
    const extensions = [
      LEAF_KEY_USAGE,
      template.purposes === undefined ? BOTH_PURPOSES : purposesExtension(template.purposes),
      NOT_A_CA,
      this.#authorityKeyId,
      extension(Oid.subjectAltName, !hasSubject, encodeAltNames(template.altNames)),
    ];
    const subject = hasSubject ? encodeName([[Oid.commonName, template.commonName ?? '']]) : EMPTY_SEQUENCE;
    return this.#issue(subject, template.publicKeyInfo, template, extensions);
  }

  /** Signs the certificate of a subordinate CA. */
  issueAuthority(template: AuthorityTemplate): IssuedCertificate {
    const { subject, publicKeyInfo, extensions } = authorityParts(template);
    return this.#issue(subject, publicKeyInfo, template, [...extensions, this.#authorityKeyId]);
  }

  #issue(
    subject: Uint8Array,
    publicKeyInfo: Uint8Array,
    validity: { readonly notBeforeMs: number; readonly notAfterMs: number },
    extensions: readonly Uint8Array[],
  ): IssuedCertificate {
    return signCertificate({
      key: this.#key,
      algorithm: this.#algorithm,
      issuer: this.#issuer,
      subject,
      publicKeyInfo,
      notBeforeMs: validity.notBeforeMs,
      notAfterMs: validity.notAfterMs,
      extensions,
    });
  }
}

/** Writes a self-signed CA certificate for a key pair and returns it parsed. */
export function selfSignAuthority(template: AuthorityTemplate, privateKey: KeyObject): ParsedCertificate {
  const { subject, publicKeyInfo, extensions } = authorityParts(template);
  const issued = signCertificate({
    key: privateKey,
    algorithm: signatureAlgorithmOf(privateKey),
    issuer: subject,
    subject,
    publicKeyInfo,
    notBeforeMs: template.notBeforeMs,
    notAfterMs: template.notAfterMs,
    extensions,
  });
  return parseCertificate(issued.der);
}

interface CertificateParts {
  readonly key: KeyObject;
  readonly algorithm: SignatureAlgorithm;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKeyInfo: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Uint8Array[];
}

function signCertificate(parts: CertificateParts): IssuedCertificate {
  const serial = randomSerial();
  const tbs = derSequence(
    VERSION_3,
    derUnsignedInteger(serial),
    parts.algorithm.identifier,
    parts.issuer,
    derSequence(derTime(parts.notBeforeMs), derTime(parts.notAfterMs)),
    parts.subject,
    parts.publicKeyInfo,
    derElement(Tag.context3, derSequence(...parts.extensions)),
  );
  const signature = sign(parts.algorithm.digest, tbs, parts.key);
  return {
    der: derSequence(tbs, parts.algorithm.identifier, derBitString(signature)),
    serialHex: Buffer.from(serial).toString('hex'),
  };
}

const SERIAL_BYTES = 16;
/** Random bytes for serials to come: asking the system for each one was 3 % of the CA's time. */
let randomness = Buffer.alloc(0);

/** 126 random bits; the two high bits are fixed so that the number is positive and always 16 octets. */
function randomSerial(): Uint8Array {
  if (randomness.length < SERIAL_BYTES) randomness = randomBytes(256 * SERIAL_BYTES);
  const serial = randomness.subarray(0, SERIAL_BYTES);
  // Each byte is used once.
  randomness = randomness.subarray(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function authorityParts(template: AuthorityTemplate): {
  subject: Uint8Array;
  publicKeyInfo: Uint8Array;
  extensions: Uint8Array[];
} {
  const publicKeyInfo = template.publicKey.export({ type: 'spki', format: 'der' });
  const constraints =
    template.maxPathLength === undefined
      ? [derTrue]
      : [derTrue, derUnsignedInteger(Uint8Array.of(template.maxPathLength))];
  const names: (readonly [string, string])[] = [[Oid.organization, template.organization]];
  if (template.commonName !== undefined) names.push([Oid.commonName, template.commonName]);
  return {
    subject: encodeName(names),
    publicKeyInfo,
    extensions: [
      CA_KEY_USAGE,
      extension(Oid.basicConstraints, true, derSequence(...constraints)),
      extension(Oid.subjectKeyIdentifier, false, derOctetString(keyIdentifier(publicKeyInfo))),
    ],
  };
}

/** Spec: RFC 5280 4.2.1.2 (1); an identifier, not a security property. */
function keyIdentifier(publicKeyInfo: Uint8Array): Uint8Array {
  const info = new DerReader(publicKeyInfo).nested(Tag.sequence);
  info.content(Tag.sequence);
  return createHash('sha1').update(info.content(Tag.bitString).subarray(1)).digest();
}

/** A Name of one attribute per set, in this order. */
export function encodeName(attributes: readonly (readonly [oid: string, value: string])[]): Uint8Array {
  return derSequence(
    ...attributes.map(([oid, value]) => derSet(derSequence(derOid(oid), derString(Tag.utf8String, value)))),
  );
}

/** A GeneralNames value. Throws IdentityError CERTIFICATE_INVALID for an IP address that is none or no name at all. */
export function encodeAltNames(names: SubjectAltNames): Uint8Array {
  const elements = [
    ...(names.uris ?? []).map((uri) => derString(0x86, uri)),
    ...(names.dnsNames ?? []).map((name) => derString(0x82, name)),
    ...(names.ipAddresses ?? []).map((address) => derElement(0x87, ipBytes(address))),
  ];
  if (elements.length === 0)
    throw new IdentityError('CERTIFICATE_INVALID', 'a certificate needs at least one alternative name');
  return derSequence(...elements);
}

function ipBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.').map(Number));
  if (!isIPv6(address) || address.includes('%') || address.includes('.')) {
    throw new IdentityError('CERTIFICATE_INVALID', `not an IP address: ${address}`);
  }
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  const bytes = [...front, ...zeros, ...back].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
  return Uint8Array.from(bytes);
}

function extension(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return isCritical
    ? derSequence(derOid(oid), derTrue, derOctetString(value))
    : derSequence(derOid(oid), derOctetString(value));
}

function purposesExtension(purposes: readonly ('serverAuth' | 'clientAuth')[]): Uint8Array {
  return extension(Oid.extendedKeyUsage, false, derSequence(...purposes.map((purpose) => derOid(Oid[purpose]))));
}

const EMPTY: Uint8Array = new Uint8Array();
const EMPTY_SEQUENCE: Uint8Array = /* @__PURE__ */ derSequence();
const VERSION_3: Uint8Array = /* @__PURE__ */ derElement(Tag.context0, Uint8Array.of(Tag.integer, 1, 2));
const NOT_A_CA: Uint8Array = /* @__PURE__ */ extension(Oid.basicConstraints, true, EMPTY_SEQUENCE);
const BOTH_PURPOSES: Uint8Array = /* @__PURE__ */ purposesExtension(['serverAuth', 'clientAuth']);
/** digitalSignature and keyEncipherment: bits 0 and 2. */
const LEAF_KEY_USAGE: Uint8Array = /* @__PURE__ */ extension(Oid.keyUsage, true, derBitString(Uint8Array.of(0xa0), 5));
/** keyCertSign and cRLSign: bits 5 and 6. */
const CA_KEY_USAGE: Uint8Array = /* @__PURE__ */ extension(Oid.keyUsage, true, derBitString(Uint8Array.of(0x06), 1));
