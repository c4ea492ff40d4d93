import { type JWK, type JWTVerifyGetKey, createLocalJWKSet } from 'jose';

/** Algorithms accepted for tokens: asymmetric only. A kid's key decides which of them fits. */
export const tokenAlgorithms: readonly string[] = ['ES256', 'ES384', 'RS256', 'EdDSA', 'Ed25519'];

const MAX_KEYS = 100;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

/**
 * Reads a JWKS text into a key lookup. Throws for anything but a set of public RSA, EC or OKP keys: a private or
 * symmetric key in this file means that whoever wrote it mixed files up.
 */
export function parseJwks(text: string): JWTVerifyGetKey {
  const document: unknown = JSON.parse(text);
  if (!isRecord(document) || !Array.isArray(document['keys'])) throw new Error('not a JSON Web Key Set');
  if (document['keys'].length === 0 || document['keys'].length > MAX_KEYS) throw new Error('no keys, or too many');
  const keys = document['keys'].map(requirePublicKey);
  return createLocalJWKSet({ keys });
}

function requirePublicKey(value: unknown): JWK {
  if (!isRecord(value)) throw new Error('a key is not an object');
  if (PRIVATE_MEMBERS.some((member) => member in value)) throw new Error('the set holds a private or symmetric key');
  const type = value['kty'];
  if (type !== 'EC' && type !== 'RSA' && type !== 'OKP') throw new Error('a key of unknown type');
  return { ...value, kty: type };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
