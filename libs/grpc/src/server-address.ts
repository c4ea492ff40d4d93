import { isIP } from 'node:net';
import { GrpcError } from './grpc-error.ts';

/** Where a server is. */
export interface ServerAddress {
  /** A name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly isPlaintext: boolean;
}

/** Reads `https://host:port`, `host:port` (the same) and `http://host:port`. Throws GrpcError INVALID_ARGUMENT. */
export function parseServerAddress(address: string): ServerAddress {
  const withScheme = address.includes('://') ? address : `https://${address}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.hostname === '') {
    throw new GrpcError('INVALID_ARGUMENT', `not a gRPC address: ${address}`);
  }
  const isPlaintext = url.protocol === 'http:';
  const port = url.port === '' ? (isPlaintext ? 80 : 443) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, isPlaintext };
}

/** `host:port`, an IPv6 address in brackets. */
export function authorityOf({ host, port }: ServerAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
