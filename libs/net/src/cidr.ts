import { compareBytes, IpAddress, parseIp } from './ip-address.ts';

/** A block of addresses. Host bits of the given address are cleared. */
export class Cidr {
  readonly prefixLength: number;
  /** First and last address of the block; not to be written to. */
  readonly first: Uint8Array;
  readonly last: Uint8Array;

  /** Throws RangeError if the prefix length does not fit the family. */
  constructor(address: IpAddress, prefixLength: number) {
    const bits = address.bytes.length * 8;
    if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > bits) {
      throw new RangeError(`prefix length ${prefixLength} of an IPv${address.version} block`);
    }
    this.prefixLength = prefixLength;
    this.first = address.bytes.slice();
    this.last = address.bytes.slice();
    for (const [i, byte] of address.bytes.entries()) {
      const hostBits = Math.min(Math.max((i + 1) * 8 - prefixLength, 0), 8);
      const hostMask = (1 << hostBits) - 1;
      this.first[i] = byte & ~hostMask;
      this.last[i] = byte | hostMask;
    }
  }

  /** False for an address of the other family. */
  contains(ip: IpAddress): boolean {
    return isWithin(this, ip.bytes);
  }

  toString(): string {
    return `${new IpAddress(this.first).toString()}/${this.prefixLength}`;
  }
}

/** Addresses from `first` to `last`, both of one family. */
export interface AddressRange {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

export function isWithin(range: AddressRange, bytes: Uint8Array): boolean {
  return (
    bytes.length === range.first.length && compareBytes(range.first, bytes) <= 0 && compareBytes(bytes, range.last) <= 0
  );
}

/**
 * Parses `10.0.0.0/8`, `fd00::/8`, or an address without a prefix length as the block of it alone. A v4-mapped block
 * becomes IPv4. Undefined if it is none.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (!ip) return undefined;
  const bits = ip.bytes.length * 8;
  if (slash < 0) return new Cidr(ip, bits);
  const lengthText = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(lengthText)) return undefined;
  const isMapped = ip.version === 4 && text.includes(':');
  const length = Number(lengthText) - (isMapped ? 96 : 0);
  return length >= 0 && length <= bits ? new Cidr(ip, length) : undefined;
}
