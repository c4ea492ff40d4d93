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
  if (!/^\d{1,5}$/u.test(portText)) return undefined;
  const port = Number(portText);
  if (port > 65_535) return undefined;
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

/** The host of a `forwarded` header; used for labels only, and only if it is one of our services. */
export function forwardedHost(header: string): string | undefined {
  for (let i = 0; i < header.length; i++) if (header.charCodeAt(i) > 127) return undefined;
  for (const part of header.split(';')) {
    const text = part.trim();
    if (!text.startsWith('host=')) continue;
    const host = text.slice(5).replace(/^"/u, '').replace(/"$/u, '');
    return host === '' ? undefined : host;
  }
  return undefined;
}
