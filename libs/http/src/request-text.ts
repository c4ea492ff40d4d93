/** Rules for the parts of a request line as text, for HTTP/2, whose pseudo fields become a request line elsewhere. */
import { isAuthorityOctet, isTargetOctet, isTokenOctet } from './http1/octet-class.ts';

/** Longest method; registered ones have at most 17 letters. */
const maxMethodLength = 32;

/** A token of reasonable length. */
export function isMethod(text: string): boolean {
  if (text.length === 0 || text.length > maxMethodLength) return false;
  for (let i = 0; i < text.length; i++) if (!isTokenOctet(text.charCodeAt(i))) return false;
  return true;
}

/** A path with query that begins with a slash, of visible ASCII. The same octets as in HTTP/1.1. */
export function isPathTarget(text: string): boolean {
  if (text.charCodeAt(0) !== 0x2f) return false;
  for (let i = 1; i < text.length; i++) if (!isTargetOctet(text.charCodeAt(i))) return false;
  return true;
}

/** A host, a host with port, or an address in brackets with or without port. */
export function isAuthority(text: string): boolean {
  let at = 0;
  if (text.charCodeAt(0) === 0x5b) {
    at = text.indexOf(']') + 1;
    if (at === 0) return false;
    for (let i = 0; i < at; i++) if (!isAuthorityOctet(text.charCodeAt(i))) return false;
  } else {
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 0x3a) break;
      if (code === 0x5b || code === 0x5d || !isAuthorityOctet(code)) return false;
    }
  }
  if (at === 0) return false;
  if (at === text.length) return true;
  if (text.charCodeAt(at) !== 0x3a || text.length - at > 6) return false;
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

/** A Content-Length as number; undefined for everything but 1 to 15 digits. */
export function contentLengthOf(text: string): number | undefined {
  if (text.length === 0 || text.length > 15) return undefined;
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length;
}
