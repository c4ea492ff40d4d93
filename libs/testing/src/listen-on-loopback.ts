import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:net';

/** Starts a server of Node's (TCP, TLS, HTTP or HTTP/2) on a free port of loopback, which it returns. Closing it is the caller's. */
export async function listenOnLoopback(server: Server, address = '127.0.0.1'): Promise<number> {
  server.listen(0, address);
  await once(server, 'listening');
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  return bound.port;
}
