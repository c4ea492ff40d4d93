/**
 * The SPIFFE ids of the mesh: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
 *
 * Spec: data-plane contract 1.1 (exactly five parts after the prefix). Stricter than Istio in one point: parts must be
 * non-empty and made of the characters SPIFFE allows in a path segment, so that an id can be put into a log line, a
 * metric label or a certificate without escaping.
 */
import { IdentityError } from './identity-error.ts';

declare const spiffeIdBrand: unique symbol;

/** Text of a SPIFFE id that has passed {@link parseSpiffeId}; equality of ids is equality of text. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };

/** The three parts an id is made of. */
export interface SpiffeIdParts {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Spec: SPIFFE-ID section 2.3, at most 2048 bytes. */
const MAX_LENGTH = 2048;
const PATTERN = /^spiffe:\/\/([A-Za-z0-9._-]+)\/ns\/([A-Za-z0-9._-]+)\/sa\/([A-Za-z0-9._-]+)$/;

/** True if the text is an id of the mesh's form. */
export function isSpiffeId(text: string): text is SpiffeId {
  return matchParts(text) !== undefined;
}

/** Returns the id, or undefined if the text has another form. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  return isSpiffeId(text) ? text : undefined;
}

/** Builds an id. Throws IdentityError SPIFFE_ID_INVALID if a part is empty or holds a character that is not allowed. */
export function makeSpiffeId(parts: SpiffeIdParts): SpiffeId {
  const text = `spiffe://${parts.trustDomain}/ns/${parts.namespace}/sa/${parts.serviceAccount}`;
  if (!isSpiffeId(text)) throw new IdentityError('SPIFFE_ID_INVALID', `not a SPIFFE id: ${JSON.stringify(text)}`);
  return text;
}

/** Splits an id into its parts. */
export function spiffeIdParts(id: SpiffeId): SpiffeIdParts {
  const parts = matchParts(id);
  if (parts === undefined) throw new IdentityError('SPIFFE_ID_INVALID', 'a branded SPIFFE id did not parse');
  return parts;
}

function matchParts(text: string): SpiffeIdParts | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const match = PATTERN.exec(text);
  const [, trustDomain, namespace, serviceAccount] = match ?? [];
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  if ([trustDomain, namespace, serviceAccount].some((part) => part === '.' || part === '..')) return undefined;
  return { trustDomain, namespace, serviceAccount };
}
