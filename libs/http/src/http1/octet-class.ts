/** Classes of octets in HTTP/1.1 messages, as one table lookup each. Spec: RFC 9110 section 5.6.2, RFC 9112. */

const token = 1;
const fieldValue = 2;
const target = 4;
const authority = 8;

/** Bits by octet; built on first use so that importing the library costs nothing. */
let classes: Uint8Array | undefined;

/** Octets of a token (methods, field names). */
export function isTokenOctet(octet: number): boolean {
  return ((table()[octet] ?? 0) & token) !== 0;
}

/** Octets inside a field value: visible, blank, tab, and octets above ASCII; no other control. */
export function isFieldValueOctet(octet: number): boolean {
  return ((table()[octet] ?? 0) & fieldValue) !== 0;
}

/** Octets of a request target: visible ASCII. Others must be percent-encoded by the sender. */
export function isTargetOctet(octet: number): boolean {
  return ((table()[octet] ?? 0) & target) !== 0;
}

/** Octets of a host with port. A comma, slash, at sign or percent is read differently by different programs. */
export function isAuthorityOctet(octet: number): boolean {
  return ((table()[octet] ?? 0) & authority) !== 0;
}

export function isDigit(octet: number): boolean {
  return octet >= 0x30 && octet <= 0x39;
}

/** The value of a hexadecimal digit, or -1. */
export function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function table(): Uint8Array {
  classes ??= Uint8Array.from({ length: 256 }, (_, octet) => {
    const character = String.fromCharCode(octet);
    let bits = 0;
    if (octet < 128 && /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(character)) bits |= token;
    if (octet === 9 || (octet >= 32 && octet !== 127)) bits |= fieldValue;
    if (octet > 32 && octet < 127) bits |= target;
    if (octet < 128 && /[0-9A-Za-z._~!$&'()*+;=:[\]-]/.test(character)) bits |= authority;
    return bits;
  });
  return classes;
}
