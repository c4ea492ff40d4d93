/** Rules for single header fields. Spec: RFC 9113 section 8.2.1, RFC 9110 section 5.1. */

/** Lower-case token characters by code; 1 = allowed in a name. */
let nameCharacters: Uint8Array | undefined;

/** A legal HTTP/2 field name without leading colon: a lower-case token. */
export function isFieldName(name: string): boolean {
  nameCharacters ??= Uint8Array.from({ length: 256 }, (_, code) =>
    /[!#$%&'*+.^_`|~0-9a-z-]/.test(String.fromCharCode(code)) && code < 128 ? 1 : 0,
  );
  for (let i = 0; i < name.length; i++) {
    if (nameCharacters[name.charCodeAt(i)] !== 1) return false;
  }
  return name.length > 0;
}

/** A legal field value: no controls but tab, and no blank at either end. */
export function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127 || code > 255) return false;
  }
  if (value.length === 0) return true;
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1));
}

/** Fields that belong to HTTP/1.1 connections make a message malformed. Spec: RFC 9113 section 8.2.2. */
export function isConnectionField(name: string, value: string): boolean {
  switch (name) {
    case 'connection':
    case 'proxy-connection':
    case 'keep-alive':
    case 'transfer-encoding':
    case 'upgrade':
      return true;
    case 'te':
      return value !== 'trailers';
    default:
      return false;
  }
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
