import { parseIp } from './ip-address.ts';

/** One end of a connection. `address` is canonical text, v4-mapped written as IPv4. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** `10.1.2.3:80`, `[fd00::3]:80`. */
export function formatSocketAddress(name: SocketAddress): string {
  return name.address.includes(':') ? `[${name.address}]:${name.port}` : `${name.address}:${name.port}`;
}

/** Parses `ip:port`; IPv6 must stand in brackets. The address comes back canonical. Undefined if it is anything else. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const colon = text.lastIndexOf(':');
  const port = parsePort(text.slice(colon + 1));
  if (colon < 0 || port === undefined) return undefined;
  const host = text.slice(0, colon);
  const bracketed = host.startsWith('[') && host.endsWith(']');
  if (bracketed !== host.includes(':')) return undefined;
  const ip = parseIp(bracketed ? host.slice(1, -1) : host);
  return ip && { address: ip.toString(), port };
}

/** A decimal port 0 to 65535 without sign or leading zeros; undefined otherwise. */
export function parsePort(text: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}
