/** Where the HTTP servers of a process listen, their start and their end. */
import type { Server } from 'node:http';
import { AmbitError } from '@ambit/runtime';

export interface ListenPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * Host and port of a listener; `*` is every address, `localhost` the IPv4 loopback whatever the resolver says first.
 * Throws AmbitError `BAD_CONFIG`.
 */
export function listenAddress(setting: string, isIpv6Enabled: boolean): ListenPlace {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(setting) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new AmbitError('BAD_CONFIG', `${setting}: expected host:port`);
  }
  if (host === 'localhost') return { host: '127.0.0.1', port: Number(port) };
  const everywhere = isIpv6Enabled ? '::' : '0.0.0.0';
  return { host: host === '*' ? everywhere : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** Resolves when the server listens. Rejects with AmbitError `LISTEN`. The server is closed by its owner. */
export async function listen(server: Server, { host, port }: ListenPlace): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  try {
    await promise;
  } catch (cause) {
    throw new AmbitError('LISTEN', `cannot listen on ${host}:${port}`, { cause });
  } finally {
    server.removeListener('error', reject);
  }
}

/** Ends idle connections at once and the others with their request; never rejects. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), 1_000);
  await closed;
  clearTimeout(force);
}
