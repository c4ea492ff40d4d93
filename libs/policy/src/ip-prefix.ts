/** An address prefix, kept as raw bytes: a policy compares it with the bytes of a peer. */
export interface IpPrefix {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  /** Number of leading bits that count. */
  readonly length: number;
}

/** Checks the family and the length; undefined when they are not those of an IP prefix. */
export function ipPrefix(bytes: Uint8Array, length: number): IpPrefix | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  if (!Number.isInteger(length) || length < 0 || length > bytes.length * 8) return undefined;
  return { bytes, length };
}

/** True when the address is of the prefix's family and shares its leading bits. */
export function prefixContains(prefix: IpPrefix, address: Uint8Array): boolean {
  const { bytes, length } = prefix;
  if (address.length !== bytes.length) return false;
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) {
    if (bytes[i] !== address[i]) return false;
  }
  const rest = length & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return ((bytes[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}
