/** The texts of a CONNECT request that name a destination. Spec: contract data-plane 1.4 and 1.6. */
import { parseIp } from '@ambit/net';
import type { TargetAddress } from './plan-outbound.ts';

/** The `:authority` of a CONNECT request. */
export type Authority =
  | ({ readonly kind: 'address' } & TargetAddress)
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number };

/** Parses `ip:port` or `host:port`; undefined when it is neither. */
export function parseAuthority(text: string): Authority | undefined {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) return undefined;
  const portText = text.slice(colon + 1);
  const port = decimalPort(portText);
  if (port === undefined) return undefined;
  const host = text.slice(0, colon);
  const isBracketed = host.startsWith('[') && host.endsWith(']');
  const ip = parseIp(isBracketed ? host.slice(1, -1) : host);
  if (ip !== undefined) {
    // An IPv6 address without brackets cannot be told from its port.
    const isClear = isBracketed === (ip.version === 6) || host.includes('.');
    return isClear ? { kind: 'address', address: ip.toString(), port } : undefined;
  }
  if (!/^[\w*.~-]{1,255}$/u.test(host)) return undefined;
  return { kind: 'hostname', hostname: host, port };
}

/** One to five digits, at most 65535. */
function decimalPort(text: string): number | undefined {
  if (text.length === 0 || text.length > 5) return undefined;
  let port = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    port = port * 10 + digit;
  }
  return port > 65_535 ? undefined : port;
}

/**
 * The host of a `forwarded` header; used for labels only, and only if it is one of our services. Each connection brings
 * another header: nothing is split off but the host.
 */
export function forwardedHost(header: string): string | undefined {
  for (let i = 0; i < header.length; i++) if (header.charCodeAt(i) > 127) return undefined;
  for (let start = 0; start <= header.length;) {
    const semicolon = header.indexOf(';', start);
    const end = semicolon < 0 ? header.length : semicolon;
    let at = start;
    while (at < end && header.charCodeAt(at) <= 0x20) at++;
    if (header.startsWith('host=', at) && at + 5 <= end) return unquoted(header.slice(at + 5, end).trimEnd());
    start = end + 1;
  }
  return undefined;
}

function unquoted(text: string): string | undefined {
  const host = text.slice(text.startsWith('"') ? 1 : 0, text.endsWith('"') && text.length > 1 ? -1 : undefined);
  return host === '' ? undefined : host;
}
