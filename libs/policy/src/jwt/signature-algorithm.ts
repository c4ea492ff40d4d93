import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto';

/** One algorithm with the only kind of key that it may use: a key of another kind is never tried. */
interface SignatureAlgorithm {
  readonly isKeyFit: (key: KeyObject) => boolean;
  readonly verifies: (key: KeyObject, text: Uint8Array, signature: Uint8Array) => boolean;
}

/** Shorter keys can be broken; such a key verifies nothing. */
const minRsaBits = 2048;
const minSecretBytes = 32;

const algorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['RS256', rsa('sha256')],
  ['RS384', rsa('sha384')],
  ['RS512', rsa('sha512')],
  ['PS256', rsaPss('sha256')],
  ['PS384', rsaPss('sha384')],
  ['PS512', rsaPss('sha512')],
  ['ES256', ecdsa('sha256', 'prime256v1')],
  ['ES384', ecdsa('sha384', 'secp384r1')],
  ['ES512', ecdsa('sha512', 'secp521r1')],
  ['HS256', hmac('sha256')],
  ['HS384', hmac('sha384')],
  ['HS512', hmac('sha512')],
  ['EdDSA', edwards()],
]);

/** Whether the algorithm exists here; `none` does not. */
export function isKnownAlgorithm(name: string): boolean {
  return algorithms.has(name);
}

/** Whether the key is of the kind and size that the algorithm wants. */
export function isFitFor(name: string, key: KeyObject): boolean {
  return algorithms.get(name)?.isKeyFit(key) ?? false;
}

/** Checks a signature with a key that is fit for the algorithm; never throws. */
export function isSignedBy(name: string, key: KeyObject, text: string, signature: Uint8Array): boolean {
  const algorithm = algorithms.get(name);
  if (algorithm === undefined || !algorithm.isKeyFit(key)) return false;
  try {
    return algorithm.verifies(key, Buffer.from(text, 'latin1'), signature);
  } catch {
    return false;
  }
}

function isRsa(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= minRsaBits;
}

function rsa(hash: string): SignatureAlgorithm {
  return { isKeyFit: isRsa, verifies: (key, text, signature) => verify(hash, text, key, signature) };
}

function rsaPss(hash: string): SignatureAlgorithm {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return {
    isKeyFit: isRsa,
    verifies: (key, text, signature) => verify(hash, text, { key, padding, saltLength }, signature),
  };
}

function ecdsa(hash: string, curve: string): SignatureAlgorithm {
  return {
    isKeyFit: (key) => key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve,
    // JWS writes r and s side by side, not as DER. Spec: RFC 7518 section 3.4.
    verifies: (key, text, signature) => verify(hash, text, { key, dsaEncoding: 'ieee-p1363' }, signature),
  };
}

function edwards(): SignatureAlgorithm {
  return {
    isKeyFit: (key) => key.asymmetricKeyType === 'ed25519',
    verifies: (key, text, signature) => verify(null, text, key, signature),
  };
}

function hmac(hash: string): SignatureAlgorithm {
  return {
    isKeyFit: (key) => key.type === 'secret' && (key.symmetricKeySize ?? 0) >= minSecretBytes,
    verifies: (key, text, signature) => {
      const expected = createHmac(hash, key).update(text).digest();
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    },
  };
}
