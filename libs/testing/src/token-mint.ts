/** Signed tokens of keys that live as long as a test: no key is ever kept. */
import {
  constants,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  type webcrypto,
} from 'node:crypto';

/** A token as tables describe it. Numbers of claims may be written `now+60`. */
export interface TokenText {
  /** Name of the key that signs; its first letters choose the kind: `rsa`, `ec256`, `ec384`, `ec512`, `ed`, `secret`. */
  readonly key: string;
  /** The header; `alg` decides how it is signed, `none` not at all. `kid` is the key's name unless it is said or null. */
  readonly header: Readonly<Record<string, unknown>> & { readonly alg: string };
  readonly claims: Readonly<Record<string, unknown>>;
  /** What is done to the finished text. */
  readonly damage?: 'signature' | 'claims' | 'no-signature' | 'two-parts' | 'four-parts' | 'not-json' | 'padded';
  /** A secret that is the public key's PEM text: algorithm confusion. */
  readonly secretIsPublicKey?: boolean;
}

interface Keys {
  readonly privateKey: KeyObject | undefined;
  readonly publicJwk: webcrypto.JsonWebKey;
  readonly secret: Buffer;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export class TokenMint {
  readonly #keys = new Map<string, Keys>();
  readonly #nowSec: number;

  constructor(wallTimeMs: number) {
    this.#nowSec = Math.floor(wallTimeMs / 1000);
  }

  /** The public set of keys, by their names: JSON. `-nokid` at the end of a name leaves the id out. */
  jwks(names: readonly string[]): string {
    return JSON.stringify({
      keys: names.map((name) => {
        const key = this.#key(name.replace(/-nokid$/, ''));
        return { ...key.publicJwk, use: 'sig', ...(name.endsWith('-nokid') ? {} : { kid: name }) };
      }),
    });
  }

  mint({ key: name, header, claims, damage, secretIsPublicKey = false }: TokenText): string {
    const { kid = name, ...rest } = header;
    const head = encode({ typ: 'JWT', ...rest, ...(kid === null ? {} : { kid }) });
    const body = damage === 'not-json' ? Buffer.from('{"iss":').toString('base64url') : encode(this.#timed(claims));
    const text = `${head}.${body}`;
    const signature = this.#signature(header.alg, this.#key(name), text, secretIsPublicKey);
    return damaged(text, signature, damage);
  }

  /** `now+60` and `now-60` become seconds. */
  #timed(claims: Readonly<Record<string, unknown>>): object {
    return Object.fromEntries(
      Object.entries(claims).map(([name, value]) => {
        const shift = typeof value === 'string' ? /^now([+-]\d+)$/.exec(value)?.[1] : undefined;
        return [name, shift === undefined ? value : this.#nowSec + Number(shift)];
      }),
    );
  }

  #signature(algorithm: string, { privateKey, secret, publicJwk }: Keys, text: string, isConfused: boolean): Buffer {
    if (algorithm.toLowerCase() === 'none') return Buffer.alloc(0);
    const hash = `sha${algorithm.slice(2)}`;
    if (algorithm.startsWith('HS')) {
      const used = isConfused ? Buffer.from(JSON.stringify(publicJwk)) : secret;
      return createHmac(hash, used).update(text).digest();
    }
    if (privateKey === undefined) throw new Error(`a secret does not sign ${algorithm}`);
    const bytes = Buffer.from(text);
    if (algorithm === 'EdDSA') return sign(null, bytes, privateKey);
    if (algorithm.startsWith('ES')) return sign(hash, bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    if (algorithm.startsWith('PS')) {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return sign(hash, bytes, { key: privateKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
    }
    return sign(/^sha(?:256|384|512)$/.test(hash) ? hash : 'sha256', bytes, privateKey);
  }

  #key(name: string): Keys {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const made = makeKeys(name);
    this.#keys.set(name, made);
    return made;
  }
}

function makeKeys(name: string): Keys {
  const secret = randomBytes(64);
  if (name.startsWith('secret')) {
    return { privateKey: undefined, publicJwk: { kty: 'oct', k: secret.toString('base64url') }, secret };
  }
  const { privateKey, publicKey } = name.startsWith('rsa')
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : name.startsWith('ed')
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: curveOf(name) });
  return { privateKey, publicJwk: publicKey.export({ format: 'jwk' }), secret };
}

function curveOf(name: string): string {
  return name.startsWith('ec384') ? 'P-384' : name.startsWith('ec512') ? 'P-521' : 'P-256';
}

function damaged(text: string, signature: Buffer, damage: TokenText['damage']): string {
  const whole = `${text}.${signature.toString('base64url')}`;
  switch (damage) {
    case 'signature': {
      const other = Buffer.from(signature);
      other[0] = (other[0] ?? 0) ^ 1;
      return `${text}.${other.toString('base64url')}`;
    }
    case 'claims': {
      const [head = '', body = ''] = text.split('.');
      const claims = Buffer.from(body, 'base64url').toString().replace('"sub":"', '"sub":"x');
      return `${head}.${Buffer.from(claims).toString('base64url')}.${signature.toString('base64url')}`;
    }
    case 'no-signature':
      return `${text}.`;
    case 'two-parts':
      return text;
    case 'four-parts':
      return `${whole}.x`;
    case 'padded':
      return `${whole}=`;
    case 'not-json':
    case undefined:
      return whole;
  }
}
