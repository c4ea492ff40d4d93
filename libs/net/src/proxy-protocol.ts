/**
 * PROXY protocol version 2, for TCP only. Pure; decoding is incremental in that it asks for more bytes, and bounded.
 * Spec: haproxy proxy-protocol.txt section 2.2; data-plane 1.7.
 */
import { formatIp, parseIp } from './ip-address.ts';
import type { SocketAddress } from './socket-address.ts';

/** TLV that carries the peer's SPIFFE id as ASCII. Spec: data-plane 1.7 (0xD1 is reserved and not sent). */
export const proxyPeerIdentityTlv = 0xd0;
/** More than this after the first 16 bytes is refused. */
export const maxProxyBodyBytes = 4096;

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const fixedBytes = 16;
const maxTlvs = 64;

export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface ProxyHeader {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly tlvs: readonly ProxyTlv[];
}

export type ProxyDecoding =
  /** `local`: sent by the proxy for itself, without addresses (health checks). `length`: bytes of the header. */
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly length: number }
  | { readonly kind: 'local'; readonly length: number }
  /** At least this many bytes in all are needed. */
  | { readonly kind: 'more'; readonly needBytes: number }
  | { readonly kind: 'malformed'; readonly reason: string };

/**
 * Encodes a header of command PROXY, transport STREAM. Two families together go out as IPv6 with a v4-mapped address.
 * Throws RangeError if an address is no IP address, a port or TLV type is out of range, or it grows too long.
 */
export function encodeProxyHeader(header: ProxyHeader): Uint8Array {
  const source = addressBytes(header.source);
  const destination = addressBytes(header.destination);
  const isV4 = source.length === 4 && destination.length === 4;
  const body = [
    isV4 ? source : widen(source),
    isV4 ? destination : widen(destination),
    portBytes(header.source.port),
    portBytes(header.destination.port),
  ];
  for (const { type, value } of header.tlvs) {
    if (type < 0 || type > 255) throw new RangeError(`PROXY TLV type ${type}`);
    body.push(Buffer.of(type, value.length >> 8, value.length & 0xff), value);
  }
  const length = body.reduce((sum, part) => sum + part.length, 0);
  if (length > maxProxyBodyBytes) throw new RangeError(`PROXY header of ${length} bytes`);
  return Buffer.concat([signature, Buffer.of(0x21, isV4 ? 0x11 : 0x21, length >> 8, length & 0xff), ...body]);
}

/** Decodes the header at the start of `bytes`. Values of TLVs are views into `bytes`. */
export function decodeProxyHeader(bytes: Uint8Array): ProxyDecoding {
  const known = Math.min(bytes.length, signature.length);
  if (signature.compare(bytes, 0, known, 0, known) !== 0) return malformed('no PROXY v2 signature');
  if (bytes.length < fixedBytes) return { kind: 'more', needBytes: fixedBytes };
  const [versionCommand = 0, family = 0] = bytes.subarray(12, 14);
  const bodyBytes = readUint16(bytes, 14);
  if (versionCommand !== 0x20 && versionCommand !== 0x21) return malformed('unknown version or command');
  if (bodyBytes > maxProxyBodyBytes) return malformed(`header of ${bodyBytes} bytes`);
  const length = fixedBytes + bodyBytes;
  if (bytes.length < length) return { kind: 'more', needBytes: length };
  if (versionCommand === 0x20) return { kind: 'local', length };
  if (family !== 0x11 && family !== 0x21) return malformed(`unsupported family and transport ${family}`);
  return decodeBody(bytes.subarray(fixedBytes, length), family === 0x11 ? 4 : 16, length);
}

function decodeBody(body: Uint8Array, ipBytes: 4 | 16, length: number): ProxyDecoding {
  const addressesEnd = ipBytes * 2 + 4;
  if (body.length < addressesEnd) return malformed('addresses cut off');
  const source = { address: formatIp(body, 0, ipBytes), port: readUint16(body, ipBytes * 2) };
  const destination = { address: formatIp(body, ipBytes, ipBytes), port: readUint16(body, ipBytes * 2 + 2) };
  const tlvs: ProxyTlv[] = [];
  for (let at = addressesEnd; at < body.length;) {
    if (at + 3 > body.length) return malformed('TLV cut off');
    const end = at + 3 + readUint16(body, at + 1);
    if (end > body.length) return malformed('TLV cut off');
    if (tlvs.length === maxTlvs) return malformed('too many TLVs');
    tlvs.push({ type: body[at] ?? 0, value: body.subarray(at + 3, end) });
    at = end;
  }
  return { kind: 'header', header: { source, destination, tlvs }, length };
}

function malformed(reason: string): ProxyDecoding {
  return { kind: 'malformed', reason };
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function portBytes(port: number): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`port ${port}`);
  return Buffer.of(port >> 8, port & 0xff);
}

function addressBytes(name: SocketAddress): Uint8Array {
  const ip = parseIp(name.address);
  if (!ip) throw new RangeError(`"${name.address}" is no IP address`);
  return ip.bytes;
}

/** 16 bytes; IPv4 becomes v4-mapped. */
function widen(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes;
  const wide = new Uint8Array(16);
  wide[10] = 0xff;
  wide[11] = 0xff;
  wide.set(bytes, 12);
  return wide;
}
