/**
 * Reads a PKCS#10 request as a CA does: the public key is taken, and only after the request's signature has proved that
 * the sender holds the private key. Requested names, usages and other attributes are not looked at.
 *
 * Spec: RFC 2986; control-plane contract 6.1 step 3.
 */
import { createPublicKey, verify } from 'node:crypto';
import { DerReader, Tag, decodeOid } from './der-reader.ts';
import { IdentityError } from './identity-error.ts';
import { decodeFirstPem } from './pem.ts';
import { requireSupportedKey } from './signing-key.ts';
import { Oid } from './x509-oids.ts';

/** A request whose signature was verified. */
export interface VerifiedCsr {
  /** Complete SubjectPublicKeyInfo element. */
  readonly publicKeyInfo: Uint8Array;
  /** Common name of the subject; empty if there is none. */
  readonly commonName: string;
}

/** A P-256 request is about 500 bytes, RSA 8192 about 3 KiB. */
const MAX_CSR_TEXT = 32 * 1024;
const MAX_COMMON_NAME = 64;

const DIGESTS: ReadonlyMap<string, string> = new Map([
  [Oid.ecdsaWithSha256, 'sha256'],
  [Oid.ecdsaWithSha384, 'sha384'],
  [Oid.ecdsaWithSha512, 'sha512'],
  [Oid.sha256WithRsa, 'sha256'],
  [Oid.sha384WithRsa, 'sha384'],
  [Oid.sha512WithRsa, 'sha512'],
]);

/**
 * Reads the first PEM block. Throws IdentityError CSR_INVALID if it cannot be read or its signature does not verify,
 * KEY_UNSUPPORTED for a key the mesh does not certify.
 */
export function readCsr(pem: string): VerifiedCsr {
  if (pem.length > MAX_CSR_TEXT) throw invalid('the request is too large');
  return readCsrDer(decodePemOrRefuse(pem));
}

/** As {@link readCsr} for DER. */
export function readCsrDer(der: Uint8Array): VerifiedCsr {
  const parts = parseRequest(der);
  const digest = DIGESTS.get(parts.algorithm);
  if (digest === undefined) throw invalid(`signature algorithm ${parts.algorithm}`);
  const key = readPublicKey(parts.publicKeyInfo);
  if (!isP256(parts.publicKeyInfo)) requireSupportedKey(key);
  if (!isSignatureValid(digest, parts.info, key, parts.signature)) throw invalid('the signature does not verify');
  return { publicKeyInfo: parts.publicKeyInfo, commonName: parts.commonName };
}

interface RequestParts {
  readonly info: Uint8Array;
  readonly algorithm: string;
  readonly signature: Uint8Array;
  readonly publicKeyInfo: Uint8Array;
  readonly commonName: string;
}

function parseRequest(der: Uint8Array): RequestParts {
  try {
    const outer = new DerReader(der);
    const request = outer.nested(Tag.sequence);
    outer.end();
    const info = request.element();
    const algorithm = decodeOid(request.nested(Tag.sequence).content(Tag.oid));
    const signature = request.content(Tag.bitString);
    request.end();
    if (info.tag !== Tag.sequence || signature[0] !== 0) throw invalid('structure');
    const fields = new DerReader(info.content);
    fields.content(Tag.integer);
    const commonName = readCommonName(fields.nested(Tag.sequence));
    const publicKeyInfo = fields.element();
    if (publicKeyInfo.tag !== Tag.sequence) throw invalid('structure');
    fields.optional(Tag.context0);
    fields.end();
    return {
      info: info.encoded,
      algorithm,
      signature: signature.subarray(1),
      publicKeyInfo: publicKeyInfo.encoded,
      commonName,
    };
  } catch (error) {
    if (error instanceof IdentityError && error.code === 'DER_INVALID') throw invalid(error.message, error);
    throw error;
  }
}

function readCommonName(name: DerReader): string {
  while (!name.atEnd) {
    const set = name.nested(Tag.set);
    while (!set.atEnd) {
      const attribute = set.nested(Tag.sequence);
      const oid = decodeOid(attribute.content(Tag.oid));
      const value = attribute.element();
      attribute.end();
      if (oid !== Oid.commonName) continue;
      const text = Buffer.from(value.content).toString('utf8');
      const isText = value.tag === Tag.utf8String || value.tag === Tag.printableString || value.tag === Tag.ia5String;
      if (!isText || text.length > MAX_COMMON_NAME || /[^\x20-\x7e]/.test(text)) throw invalid('common name');
      return text;
    }
  }
  return '';
}

/** SubjectPublicKeyInfo of every uncompressed P-256 key, up to the point. Spec: RFC 5480 2. */
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_BYTES = P256_PREFIX.length + 64;

/** Is it the key nearly all requests have? Asking the key itself was 2 % of the CA's time. */
function isP256(publicKeyInfo: Uint8Array): boolean {
  if (publicKeyInfo.length !== P256_BYTES) return false;
  return P256_PREFIX.compare(publicKeyInfo, 0, P256_PREFIX.length) === 0;
}

type PublicKey = ReturnType<typeof createPublicKey>;

function readPublicKey(publicKeyInfo: Uint8Array): PublicKey {
  try {
    return createPublicKey({ key: Buffer.from(publicKeyInfo), format: 'der', type: 'spki' });
  } catch (error) {
    throw invalid('public key', error);
  }
}

function isSignatureValid(digest: string, info: Uint8Array, key: PublicKey, signature: Uint8Array): boolean {
  try {
    return verify(digest, info, key, signature);
  } catch (error) {
    throw invalid('signature', error);
  }
}

function decodePemOrRefuse(pem: string): Uint8Array {
  try {
    return decodeFirstPem(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'], pem);
  } catch (error) {
    if (error instanceof IdentityError) throw invalid(error.message, error);
    throw error;
  }
}

function invalid(what: string, cause?: unknown): IdentityError {
  return new IdentityError('CSR_INVALID', `unacceptable certificate request: ${what}`, { source: 'downstream', cause });
}
