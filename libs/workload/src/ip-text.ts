/** Text of IP addresses, until libs/net has it. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) return undefined;
  let source = text;
  const v4 = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/u.exec(text);
  if (v4) {
    const [, head = '', a, b, c, d] = v4;
    const high = (Number(a) * 256 + Number(b)).toString(16);
    source = `${head}${high}:${(Number(c) * 256 + Number(d)).toString(16)}`;
  }
  const [left = '', right] = source.split('::');
  const leftParts = left === '' ? [] : left.split(':');
  const rightParts = right === undefined || right === '' ? [] : right.split(':');
  const zeros = new Array<string>(8 - leftParts.length - rightParts.length).fill('0');
  const parts = [...leftParts, ...zeros, ...rightParts].map((part) => Number.parseInt(part, 16));
  return Uint8Array.from(parts.flatMap((part) => [part >> 8, part & 0xff]));
}

export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) {
    groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  }
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}
