/** Starting and ending the HTTP servers of the control thread. */
import type { Server } from 'node:http';
import { AmbitError } from '@ambit/runtime';

/** Resolves when the server listens on `host:port` (`*`: every address). Rejects with AmbitError `LISTEN` or `BAD_CONFIG`. */
export async function listen(server: Server, setting: string, isIpv6Enabled: boolean): Promise<void> {
  const place = listenAddress(setting, isIpv6Enabled);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(place.port, place.host, resolve);
  try {
    await promise;
  } catch (cause) {
    throw new AmbitError('LISTEN', `cannot listen on ${place.host}:${place.port}`, { cause });
  } finally {
    server.removeListener('error', reject);
  }
}

function listenAddress(setting: string, isIpv6Enabled: boolean): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(setting) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new AmbitError('BAD_CONFIG', `${setting}: expected host:port`);
  }
  if (host === 'localhost') return { host: '127.0.0.1', port: Number(port) };
  const everywhere = isIpv6Enabled ? '::' : '0.0.0.0';
  return { host: host === '*' ? everywhere : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** Ends idle connections at once and the others with their request; never rejects. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), 1_000);
  await closed;
  clearTimeout(force);
}
