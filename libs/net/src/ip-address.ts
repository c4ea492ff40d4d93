/** IP addresses as bytes, with strict text forms. */

/** An IPv4 (4 bytes) or IPv6 (16 bytes) address. Immutable by agreement: `bytes` must not be written to. */
export class IpAddress {
  readonly bytes: Uint8Array;
  #text: string | undefined;

  /** Takes the bytes as they are; a v4-mapped address should be made by {@link ipFromBytes}. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== 4 && bytes.length !== 16)
      throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
    this.bytes = bytes;
  }

  get version(): 4 | 6 {
    return this.bytes.length === 4 ? 4 : 6;
  }

  get isUnspecified(): boolean {
    return this.bytes.every((byte) => byte === 0);
  }

  /** 127.0.0.0/8 or ::1. */
  get isLoopback(): boolean {
    const b = this.bytes;
    return b.length === 4 ? b[0] === 127 : b[15] === 1 && b.subarray(0, 15).every((byte) => byte === 0);
  }

  equals(other: IpAddress): boolean {
    return compareBytes(this.bytes, other.bytes) === 0;
  }

  /** Canonical text. Spec: RFC 5952. */
  toString(): string {
    return (this.#text ??= formatIp(this.bytes));
  }
}

/** Orders by family (v4 first), then by value. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return a.length - b.length || Buffer.compare(a, b);
}

/** True for `::ffff:0:0/96`. */
export function isV4Mapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** An address from 4 or 16 bytes (copied); a v4-mapped one becomes IPv4. Throws RangeError for other lengths. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  return new IpAddress(isV4Mapped(bytes) ? bytes.slice(12) : bytes.slice());
}

/** Parses an address, without port, prefix length, brackets or zone; a v4-mapped one becomes IPv4. Undefined if it is none. */
export function parseIp(text: string): IpAddress | undefined {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const bytes = text.includes(':') ? parseV6(text) : parseV4(text);
  const address = bytes && new IpAddress(isV4Mapped(bytes) ? bytes.slice(12) : bytes);
  if (address === undefined) return undefined;
  if (parsed.size >= maxParsed) parsed.clear();
  parsed.set(text, address);
  return address;
}

/** Addresses parsed lately: proxies ask for the same few several times a connection. */
const parsed = new Map<string, IpAddress>();
const maxParsed = 1024;

/** Four decimal numbers without leading zeros, which some parsers take for octal. */
function parseV4(text: string): Uint8Array | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  const bytes = new Uint8Array(4);
  let at = 0;
  let value = -1;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) {
      // Zero may stand alone only.
      if (value === 0) return undefined;
      value = value < 0 ? digit : value * 10 + digit;
      if (value > 255) return undefined;
    } else {
      if (digit !== dotDigit || value < 0 || at === 3) return undefined;
      bytes[at++] = value;
      value = -1;
    }
  }
  if (at !== 3 || value < 0) return undefined;
  bytes[3] = value;
  return bytes;
}

/** A dot, counted from the character 0. */
const dotDigit = 0x2e - 0x30;

function parseV6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (!head || !tail) return undefined;
  const length = head.length + tail.length;
  if (halves.length === 2 ? length > 14 : length !== 16) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The bytes of colon-separated groups; the last may be dotted IPv4 if this is the end of the address. */
function parseGroups(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const v4 = isEnd && i === groups.length - 1 ? parseV4(group) : undefined;
    if (!v4) return undefined;
    bytes.push(...v4);
  }
  return bytes;
}

/** Canonical text of 4 or 16 bytes starting at `offset`. Spec: RFC 5952; a v4-mapped address is written as IPv4. */
export function formatIp(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): string {
  if (length === 4) return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
  const part = bytes.subarray(offset, offset + 16);
  if (isV4Mapped(part)) return formatIp(part, 12, 4);
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((part[i] ?? 0) << 8) | (part[i + 1] ?? 0));
  const gap = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (gap.length < 2) return hex.join(':');
  return `${hex.slice(0, gap.start).join(':')}::${hex.slice(gap.start + gap.length).join(':')}`;
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
