import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Issues tokens that a RequestAuthentication can verify; the key lives as long as this object. */
export class TokenIssuer {
  readonly #privateKey: KeyObject;
  /** The verification key, as one line of JSON. */
  readonly jwks: string;

  constructor(keyId: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#privateKey = privateKey;
    this.jwks = JSON.stringify({
      keys: [{ ...publicKey.export({ format: 'jwk' }), kid: keyId, alg: 'ES256', use: 'sig' }],
    });
    this.#keyId = keyId;
  }

  readonly #keyId: string;

  issue(claims: Readonly<Record<string, unknown>>): string {
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${encode({ alg: 'ES256', kid: this.#keyId, typ: 'JWT' })}.${encode(claims)}`;
    const key = { key: this.#privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return `${unsigned}.${sign('sha256', Buffer.from(unsigned), key).toString('base64url')}`;
  }
}
