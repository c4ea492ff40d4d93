/** Which keys may sign certificates or be certified, and how their signatures are named in DER. */
import type { KeyObject } from 'node:crypto';
import { derElement, derOid, derSequence } from './der-writer.ts';
import { Tag } from './der-reader.ts';
import { IdentityError } from './identity-error.ts';
import { Oid } from './x509-oids.ts';

/** A signature algorithm: digest for node:crypto and the AlgorithmIdentifier element. */
export interface SignatureAlgorithm {
  readonly digest: 'sha256' | 'sha384' | 'sha512';
  readonly identifier: Uint8Array;
}

const DER_NULL = derElement(Tag.null);

const ECDSA_SHA256: SignatureAlgorithm = {
  digest: 'sha256',
  identifier: /* @__PURE__ */ derSequence(derOid(Oid.ecdsaWithSha256)),
};
const ECDSA_SHA384: SignatureAlgorithm = {
  digest: 'sha384',
  identifier: /* @__PURE__ */ derSequence(derOid(Oid.ecdsaWithSha384)),
};
const RSA_SHA256: SignatureAlgorithm = {
  digest: 'sha256',
  identifier: /* @__PURE__ */ derSequence(derOid(Oid.sha256WithRsa), DER_NULL),
};

/** The algorithm a key signs certificates with. Throws IdentityError KEY_UNSUPPORTED like {@link requireSupportedKey}. */
export function signatureAlgorithmOf(key: KeyObject): SignatureAlgorithm {
  requireSupportedKey(key);
  if (key.asymmetricKeyType === 'rsa') return RSA_SHA256;
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? ECDSA_SHA384 : ECDSA_SHA256;
}

/**
 * Refuses keys that TLS peers of the mesh cannot use or that would be weak or slow: allowed are P-256, P-384 and RSA of
 * 2048 to 8192 bits with an exponent below 2^32. Throws IdentityError KEY_UNSUPPORTED.
 */
export function requireSupportedKey(key: KeyObject): void {
  const details = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') {
    if (details.namedCurve === 'prime256v1' || details.namedCurve === 'secp384r1') return;
    throw unsupported(`elliptic curve ${details.namedCurve ?? 'unknown'}`);
  }
  if (key.asymmetricKeyType === 'rsa') {
    const bits = details.modulusLength ?? 0;
    const exponent = details.publicExponent ?? 0n;
    if (bits < 2048 || bits > 8192) throw unsupported(`RSA of ${bits} bits`);
    if (exponent < 3n || exponent > 0xffff_ffffn || exponent % 2n === 0n) throw unsupported('RSA with this exponent');
    return;
  }
  throw unsupported(`key type ${key.asymmetricKeyType ?? 'unknown'}`);
}

function unsupported(what: string): IdentityError {
  return new IdentityError('KEY_UNSUPPORTED', `${what} is not supported; use P-256, P-384 or RSA 2048-8192`, {
    source: 'downstream',
  });
}
