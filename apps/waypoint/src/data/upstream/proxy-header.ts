/** The PROXY header that a backend is told the client by, before anything else. Spec: haproxy proxy-protocol.txt 2.1, 2.2. */
import { encodeProxyHeader, type SocketAddress } from '@ambit/net';

/** Who connected, and where to. */
export interface ConnectionClient {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
}

/** Throws RangeError for what are no addresses. */
export function proxyHeader(version: 1 | 2, { source, destination }: ConnectionClient): Uint8Array {
  if (version === 2) return encodeProxyHeader({ source, destination, tlvs: [] });
  const isV6 = source.address.includes(':');
  // The text form knows no mixture.
  if (isV6 !== destination.address.includes(':')) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const family = isV6 ? 'TCP6' : 'TCP4';
  const text = `PROXY ${family} ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`;
  return Buffer.from(text, 'latin1');
}
