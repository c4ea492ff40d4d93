import { createServer } from 'node:net';

import { listenOnLoopback } from './listen-on-loopback.ts';

/** A TCP port of IPv4 loopback that nobody has at the moment; another process may take it before the caller does. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** So many of them, each another one. */
export async function freePorts(count: number): Promise<readonly number[]> {
  await using servers = new AsyncDisposableStack();
  // All are held until the last one is known.
  const made = Array.from({ length: count }, () => servers.use(createServer()));
  return await Promise.all(made.map((server) => listenOnLoopback(server)));
}
