import type { JwtRefusal } from './jwt-refusal.ts';

/** A token taken apart; nothing in it is verified. */
export interface DecodedToken {
  /** As sent. */
  readonly text: string;
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The payload as sent: base64url. */
  readonly encodedPayload: string;
  readonly signedText: string;
  readonly signature: Uint8Array;
}

/** Longest token that is looked at; heads are limited anyway, this bounds the JSON. */
const maxTokenChars = 16_384;

/** Takes a compact JWS apart, or says what is wrong with it. Spec: RFC 7519, RFC 7515 section 7.1. */
export function decodeToken(text: string): DecodedToken | JwtRefusal {
  const parts = text.split('.', 4);
  const [header, payload, signature] = parts;
  if (text.length > maxTokenChars || parts.length !== 3) return 'form';
  if (header === undefined || payload === undefined || signature === undefined) return 'form';
  const headerBytes = fromBase64url(header);
  if (headerBytes === undefined) return 'header-base64';
  const fields = jsonObject(headerBytes);
  if (fields === undefined) return 'header-json';
  const { alg: algorithm, kid: keyId, crit } = fields;
  if (typeof algorithm !== 'string') return 'header-alg';
  if (keyId !== undefined && typeof keyId !== 'string') return 'header-kid';
  // Extensions that must be understood and are not. Spec: RFC 7515 section 4.1.11.
  if (crit !== undefined) return 'alg-unsupported';
  const payloadBytes = fromBase64url(payload);
  if (payloadBytes === undefined) return 'payload-base64';
  const claims = jsonObject(payloadBytes);
  if (claims === undefined) return 'payload-json';
  const signatureBytes = fromBase64url(signature);
  if (signatureBytes === undefined) return 'signature-base64';
  return {
    text,
    algorithm,
    keyId,
    claims,
    encodedPayload: payload,
    signedText: `${header}.${payload}`,
    signature: signatureBytes,
  };
}

/** Strict: no padding, no other alphabet, nothing left over. Undefined otherwise. */
function fromBase64url(text: string): Uint8Array | undefined {
  if (text === '' || text.length % 4 === 1 || !/^[A-Za-z0-9_-]*$/.test(text)) return undefined;
  return Buffer.from(text, 'base64url');
}

function jsonObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  return isRecord(value) ? value : undefined;
}

/** Whether a JSON value is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
