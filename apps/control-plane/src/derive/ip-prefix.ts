import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** An address with the number of leading bits that count. */
export interface IpPrefix {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly length: number;
}

/** Bytes of an IP address; an IPv4-mapped one gives 4. Undefined for anything else, also with a zone. */
export function ipBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const bytes = v6Bytes(text);
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

/** Parses an address or a CIDR prefix; an address gets its full length. Undefined when it is neither. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const slash = text.indexOf('/');
  const bytes = ipBytes(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const full = bytes.length * 8;
  if (slash < 0) return { bytes, length: full };
  const lengthText = text.slice(slash + 1);
  const length = /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : Infinity;
  return length <= full ? { bytes, length } : undefined;
}

/** Canonical text of 4 or 16 bytes. Spec: RFC 5952. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}

/** Bytes of text that `isIPv6` accepted. */
function v6Bytes(text: string): Uint8Array<ArrayBuffer> {
  const [head = '', tail] = text.split('::');
  const front = groupBytes(head);
  const back = tail === undefined ? [] : groupBytes(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front);
  bytes.set(back, 16 - back.length);
  return bytes;
}

function groupBytes(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
