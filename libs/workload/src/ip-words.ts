/**
 * IP addresses as four 32-bit words, the form in which they are indexed: an IPv4 address is kept
 * as its v4-mapped IPv6 form, so both spellings of one address meet.
 */
import { formatIp, parseIp } from '@ambit/net';
import { WorkloadError } from './workload-error.ts';

/** Four big-endian words; an instance is reused by its owner from one lookup to the next. */
export class IpWords {
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;

  get isV4(): boolean {
    return this.w0 === 0 && this.w1 === 0 && this.w2 === 0xffff;
  }

  setV4(word: number): void {
    this.w0 = 0;
    this.w1 = 0;
    this.w2 = 0xffff;
    this.w3 = word >>> 0;
  }

  /** Takes 4 or 16 raw bytes; false for another length. */
  setRaw(bytes: Uint8Array, offset: number, length: number): boolean {
    if (length === 4) {
      this.setV4(word(bytes, offset));
      return true;
    }
    if (length !== 16) return false;
    this.w0 = word(bytes, offset);
    this.w1 = word(bytes, offset + 4);
    this.w2 = word(bytes, offset + 8);
    this.w3 = word(bytes, offset + 12);
    return true;
  }

  /** Takes the usual text; false when it is no IP address. Does not allocate for IPv4. */
  setText(text: string): boolean {
    const v4 = parseV4(text);
    if (v4 !== notV4) {
      this.setV4(v4);
      return true;
    }
    const ip = parseIp(text);
    if (ip === undefined) return false;
    return this.setRaw(ip.bytes, 0, ip.bytes.length);
  }

  /** True when the first `length` bits (of the IPv6 form) equal those of `other`. */
  sharesPrefix(other: IpWords, length: number): boolean {
    return (
      sameBits(this.w0, other.w0, length) &&
      sameBits(this.w1, other.w1, length - 32) &&
      sameBits(this.w2, other.w2, length - 64) &&
      sameBits(this.w3, other.w3, length - 96)
    );
  }
}

/** The canonical text of 4 or 16 raw bytes; throws `WORKLOAD_BAD_ADDRESS` for other lengths. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length !== 4 && bytes.length !== 16) {
    const message = `failed to parse address, had ${bytes.length} bytes`;
    throw new WorkloadError('WORKLOAD_BAD_ADDRESS', message);
  }
  return formatIp(bytes);
}

/** True for the text of an IPv6 address. */
export function isIpv6(address: string): boolean {
  return address.includes(':');
}

const notV4 = -1;

function parseV4(text: string): number {
  const { length } = text;
  if (length < 7 || length > 15) return notV4;
  let value = 0;
  let part = -1;
  let dots = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      if (part === 0) return notV4;
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return notV4;
    } else if (digit === -2 && part >= 0) {
      value = value * 256 + part;
      part = -1;
      dots++;
    } else {
      return notV4;
    }
  }
  return dots === 3 && part >= 0 ? value * 256 + part : notV4;
}

function word(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

function sameBits(a: number, b: number, count: number): boolean {
  if (count <= 0) return true;
  if (count >= 32) return a === b;
  return (a ^ b) >>> (32 - count) === 0;
}
