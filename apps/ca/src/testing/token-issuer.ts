/** Makes service account tokens for tests and benchmarks, good ones and every kind of bad one. */
import { type KeyObject, generateKeyPairSync, sign } from 'node:crypto';

/** Overrides of single claims or header fields; `undefined` removes one. */
export interface TokenOverrides {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  /** Merged into the `kubernetes.io` claim. */
  readonly kubernetes?: Readonly<Record<string, unknown>>;
}

/** One issuer with one ES256 key. */
export class TokenIssuer {
  readonly #key: KeyObject;
  /** The public half as a JWKS document. */
  readonly jwks: string;

  constructor(keyId = 'test') {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = pair.privateKey;
    this.jwks = JSON.stringify({
      keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: keyId, alg: 'ES256', use: 'sig' }],
    });
  }

  /** A token of `<namespace>/<service account>` bound to a pod on a node. */
  issue(account: string, node: string, overrides: TokenOverrides = {}): string {
    const [namespace = '', serviceAccount = ''] = account.split('/');
    const nowSec = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'https://issuer.test',
      aud: ['istio-ca'],
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      iat: nowSec,
      exp: nowSec + 600,
      'kubernetes.io': {
        namespace,
        serviceaccount: { name: serviceAccount },
        pod: { name: `${serviceAccount}-${node}`, uid: 'a1b2' },
        node: { name: node },
        ...overrides.kubernetes,
      },
      ...overrides.claims,
    };
    const header = { alg: 'ES256', kid: 'test', typ: 'JWT', ...overrides.header };
    const input = `${encode(header)}.${encode(claims)}`;
    if (header.alg === 'none') return `${input}.`;
    return `${input}.${sign('sha256', Buffer.from(input), { key: this.#key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
