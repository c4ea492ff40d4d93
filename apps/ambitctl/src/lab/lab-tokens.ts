/**
 * The lab's service account tokens: signed by a key that lives in this process' memory only, one file per pod and per
 * node proxy. The verification key is published as a JWKS file.
 */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
  readonly node: string;
}

const KEY_ID = 'ambit-lab';
const AUDIENCE = 'istio-ca';
const ISSUER = 'https://lab.ambit.dev';
/** Tokens are written anew long before they end. */
export const TOKEN_LIFETIME_SEC = 3_600;

export class LabTokens {
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;

  constructor() {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = pair.privateKey;
    this.#publicKey = pair.publicKey;
  }

  writeJwks(file: string): void {
    const key = { ...this.#publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'ES256', use: 'sig' };
    writeWhole(file, `${JSON.stringify({ keys: [key] }, undefined, 2)}\n`, 0o644);
  }

  write(file: string, subject: TokenSubject, nowMs: number): void {
    writeWhole(file, this.issue(subject, nowMs), 0o600);
  }

  remove(file: string): void {
    rmSync(file, { force: true });
  }

  /** A token as Kubernetes issues it for a projected volume. */
  issue({ namespace, serviceAccount, pod, podUid, node }: TokenSubject, nowMs: number): string {
    const issuedAt = Math.floor(nowMs / 1_000);
    const claims = {
      iss: ISSUER,
      aud: [AUDIENCE],
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      iat: issuedAt,
      nbf: issuedAt,
      exp: issuedAt + TOKEN_LIFETIME_SEC,
      'kubernetes.io': {
        namespace,
        node: { name: node },
        pod: { name: pod, uid: podUid },
        serviceaccount: { name: serviceAccount },
      },
    };
    const unsigned = `${encode({ alg: 'ES256', kid: KEY_ID, typ: 'JWT' })}.${encode(claims)}`;
    return `${unsigned}.${sign('sha256', Buffer.from(unsigned), { key: this.#key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Readers see the old file or the new one. */
export function writeWhole(file: string, text: string, mode: number): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.new`;
  writeFileSync(temporary, text, { mode });
  renameSync(temporary, file);
}
