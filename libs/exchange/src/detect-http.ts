import { clientPreface } from '@ambit/http';

/** What the first bytes of a client say. `more`: too few to tell. */
export type DetectedProtocol = 'HTTP/1.1' | 'HTTP/2' | 'other' | 'more';

const preface = Buffer.from(clientPreface.slice(0, 14), 'latin1');
const methodStarts: readonly Buffer[] = [
  'GET ',
  'POST ',
  'PUT ',
  'HEAD ',
  'DELETE ',
  'OPTIONS ',
  'PATCH ',
  'CONNECT ',
  'TRACE ',
].map((text) => Buffer.from(text, 'latin1'));

/**
 * Looks at the first bytes of a connection on a port whose protocol nobody declared: the preface of HTTP/2, the method of an
 * HTTP/1 request line, or neither. Spec: l7 section 6.1.
 */
export function detectHttp(buffer: Uint8Array, offset: number, length: number): DetectedProtocol {
  const isHttp2 = startsLike(buffer, offset, length, preface);
  if (isHttp2) return length >= preface.length ? 'HTTP/2' : 'more';
  for (const start of methodStarts) {
    if (startsLike(buffer, offset, length, start)) return length >= start.length ? 'HTTP/1.1' : 'more';
  }
  return 'other';
}

/** As far as both go. */
function startsLike(buffer: Uint8Array, offset: number, length: number, start: Uint8Array): boolean {
  const shared = Math.min(length, start.length);
  for (let i = 0; i < shared; i++) if (buffer[offset + i] !== start[i]) return false;
  return true;
}
