/**
 * Reads the parts of an X.509 certificate the mesh decides by. It does not verify signatures, chains or usages: the TLS
 * library does. Views into the given buffer are returned; nothing is cached.
 *
 * Spec: RFC 5280 section 4.
 */
import { type DerElement, DerReader, Tag, decodeOid, decodeTime } from './der-reader.ts';
import { IdentityError } from './identity-error.ts';
import { Oid } from './x509-oids.ts';

/** What was read from a certificate. */
export interface ParsedCertificate {
  /** The whole certificate. */
  readonly der: Uint8Array;
  /** Decimal, as ztunnel's config dump shows it. */
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Complete Name elements. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Complete SubjectPublicKeyInfo element. */
  readonly publicKeyInfo: Uint8Array;
  /** URI names of the subject alternative name extension, in order. */
  readonly uriSans: readonly string[];
  readonly isCa: boolean;
  readonly subjectKeyId: Uint8Array | undefined;
}

/** Far above any real leaf; bounds the work an unknown peer can cause. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;
const MAX_EXTENSIONS = 64;
const MAX_URI_SANS = 64;

/** Parses one DER certificate. Throws IdentityError CERTIFICATE_INVALID. */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  if (der.length > MAX_CERTIFICATE_BYTES)
    throw new IdentityError('CERTIFICATE_INVALID', 'certificate is too large', { source: 'upstream' });
  try {
    return readCertificate(der);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    throw new IdentityError('CERTIFICATE_INVALID', `unreadable certificate: ${error.message}`, {
      source: 'upstream',
      cause: error,
    });
  }
}

function readCertificate(der: Uint8Array): ParsedCertificate {
  const outer = new DerReader(der);
  const certificate = outer.nested(Tag.sequence);
  outer.end();
  const tbs = certificate.nested(Tag.sequence);
  certificate.content(Tag.sequence);
  certificate.content(Tag.bitString);
  certificate.end();

  const version = tbs.optional(Tag.context0);
  if (version === undefined || version.length !== 3 || version[2] !== 2)
    throw new IdentityError('DER_INVALID', 'not an X.509 v3 certificate');
  const serialNumber = decodeSerial(tbs.content(Tag.integer));
  tbs.content(Tag.sequence);
  const issuer = encodedSequence(tbs);
  const validity = tbs.nested(Tag.sequence);
  const notBeforeMs = decodeTime(validity.element());
  const notAfterMs = decodeTime(validity.element());
  validity.end();
  const subject = encodedSequence(tbs);
  const publicKeyInfo = encodedSequence(tbs);
  while (tbs.peekTag() === 0x81 || tbs.peekTag() === 0x82) tbs.element();
  const extensions = tbs.optional(Tag.context3);
  tbs.end();
  return {
    der,
    serialNumber,
    notBeforeMs,
    notAfterMs,
    issuer,
    subject,
    publicKeyInfo,
    ...readExtensions(extensions),
  };
}

interface KnownExtensions {
  readonly uriSans: readonly string[];
  readonly isCa: boolean;
  readonly subjectKeyId: Uint8Array | undefined;
}

function readExtensions(explicit: Uint8Array | undefined): KnownExtensions {
  let uriSans: readonly string[] = [];
  let isCa = false;
  let subjectKeyId: Uint8Array | undefined;
  if (explicit === undefined) return { uriSans, isCa, subjectKeyId };
  const wrapper = new DerReader(explicit);
  const list = wrapper.nested(Tag.sequence);
  wrapper.end();
  const seen = new Set<string>();
  while (!list.atEnd) {
    const extension = list.nested(Tag.sequence);
    const oid = decodeOid(extension.content(Tag.oid));
    extension.optional(Tag.boolean);
    const value = new DerReader(extension.content(Tag.octetString));
    extension.end();
    // RFC 5280 4.2: no extension twice. Two SAN lists would let two readers see two identities.
    if (seen.has(oid) || seen.size === MAX_EXTENSIONS)
      throw new IdentityError('DER_INVALID', 'repeated or too many extensions');
    seen.add(oid);
    if (oid === Oid.subjectAltName) uriSans = readUriSans(value);
    if (oid === Oid.basicConstraints) isCa = readIsCa(value);
    if (oid === Oid.subjectKeyIdentifier) subjectKeyId = value.content(Tag.octetString);
  }
  return { uriSans, isCa, subjectKeyId };
}

const URI_NAME = 0x86;

/** Reads the URI entries of a GeneralNames value. */
export function readUriSans(value: DerReader): readonly string[] {
  const names = value.nested(Tag.sequence);
  value.end();
  const uris: string[] = [];
  while (!names.atEnd) {
    const name = names.element();
    if (name.tag !== URI_NAME) continue;
    if (uris.length === MAX_URI_SANS) throw new IdentityError('DER_INVALID', 'too many URI names');
    uris.push(decodeIa5(name));
  }
  return uris;
}

function decodeIa5(element: DerElement): string {
  for (const byte of element.content) {
    if (byte >= 0x80) throw new IdentityError('DER_INVALID', 'a URI name that is not ASCII');
  }
  return Buffer.from(element.content).toString('latin1');
}

function readIsCa(value: DerReader): boolean {
  const constraints = value.nested(Tag.sequence);
  value.end();
  return constraints.optional(Tag.boolean)?.[0] === 0xff;
}

function encodedSequence(reader: DerReader): Uint8Array {
  const element = reader.element();
  if (element.tag !== Tag.sequence) throw new IdentityError('DER_INVALID', 'expected a sequence');
  return element.encoded;
}

function decodeSerial(content: Uint8Array): string {
  if (content.length === 0 || content.length > 64)
    throw new IdentityError('DER_INVALID', 'serial number of this length');
  const unsigned = BigInt(`0x${Buffer.from(content).toString('hex')}`);
  const isNegative = (content[0] ?? 0) >= 0x80;
  return String(isNegative ? unsigned - (1n << BigInt(content.length * 8)) : unsigned);
}
