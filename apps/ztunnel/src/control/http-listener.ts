/** Starting and ending the HTTP servers of the control thread. */
import type { Server } from 'node:http';
import { AmbitError } from '@ambit/runtime';

/** Resolves when the server listens. Rejects with AmbitError `LISTEN`. The server is disposed by its owner. */
export async function listen(server: Server, place: { readonly host: string; readonly port: number }): Promise<void> {
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

/** Ends idle connections at once and the others with their request; never rejects. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), 1_000);
  await closed;
  clearTimeout(force);
}
