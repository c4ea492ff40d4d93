/**
 * The process of all xDS clients of a run: one gRPC stream each over TLS connections that some of them share. Started by
 * `fork`; see `client-messages.ts` for what it is told and what it tells.
 */
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { defaultClientConnectionSettings, Http2ClientConnection } from '@ambit/exchange';
import { checked, io, NodeEventLoop, secureSocket } from '@ambit/net';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, scanResponse } from '@ambit/xds';
import { ChangeWatch } from './change-watch.ts';
import type { ClientsCommand, ClientsEvent, ClientsOrder } from './client-messages.ts';
import { ClientStream } from './client-stream.ts';

const WINDOW = 4 * 1024 * 1024;
/** The mesh's own HTTP/2: Node's costs twice as much, and a thousand clients in one process are to be as cheap as they can be. */
const SETTINGS = {
  ...defaultClientConnectionSettings,
  http2: { ...defaultClientConnectionSettings.http2, streamWindowBytes: WINDOW, connectionWindowBytes: WINDOW },
};
const HANDSHAKE_MS = 120_000;
const loop = new NodeEventLoop();
const streams: ClientStream[] = [];
let watch = new ChangeWatch(0);

function tell(event: ClientsEvent): void {
  process.send?.(event);
}

/** The port opens when the control plane has read everything. */
async function untilOpen(port: number): Promise<void> {
  for (;;) {
    const socket = createConnection({ port, host: '127.0.0.1' });
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      socket.destroy();
    }
  }
}

async function openAll({ port, tokens, connections, rootsPem }: ClientsOrder): Promise<void> {
  watch = new ChangeWatch(tokens.length);
  let pending = tokens.length * 2;
  let bytes = 0;
  const counts = { addresses: 0, policies: 0 };
  await untilOpen(port);
  const telling = setInterval(() => tell({ kind: 'waiting', answers: pending, bytes }), 5_000);
  const events = {
    first: (_client: number, typeUrl: string, length: number, message: Uint8Array | undefined): void => {
      bytes += length;
      if (message !== undefined && typeUrl === ADDRESS_TYPE) counts.addresses = scanResponse(message).resourceCount;
      if (message !== undefined && typeUrl === AUTHORIZATION_TYPE) {
        counts.policies = scanResponse(message).resourceCount;
      }
      pending -= 1;
      if (pending > 0) return;
      clearInterval(telling);
      tell({ kind: 'served', bytes, ...counts });
    },
    push: (nonce: string, message: Uint8Array): void => watch.received(nonce, message),
    failed: (failing: number, reason: string): void => tell({ kind: 'failed', reason: `client ${failing}: ${reason}` }),
  };
  const context = io.edgeTlsContext({ rootsPem, alpn: ['h2'] }, 'client');
  for (let i = 0; i < connections; i += 1) {
    const waiting = [...tokens.entries()].filter(([client]) => client % connections === i);
    const fd = checked('tcpConnect', io.tcpConnect({ address: '127.0.0.1', port }));
    const options = { context, role: 'client', serverName: 'localhost', timeoutMs: HANDSHAKE_MS } as const;
    secureSocket(loop, fd, options, {
      onSecured: (channel) => {
        const open = (): void => {
          while (connection.capacity > 0) {
            const next = waiting.shift();
            if (next === undefined) return;
            streams.push(new ClientStream(connection, next[0], next[1], next[0] === 0, events));
          }
        };
        const owner = {
          onCapacity: open,
          onClosed: (error: Error | undefined) => {
            tell({ kind: 'failed', reason: `connection ${i}: ${error?.message ?? 'closed'}` });
          },
        };
        const connection: Http2ClientConnection = new Http2ClientConnection(channel, owner, loop, SETTINGS);
        open();
      },
      onSecureFailed: (reason) => tell({ kind: 'failed', reason: `connection ${i}: ${reason}` }),
    });
  }
}

process.on('message', (command: ClientsCommand) => {
  if (command.kind === 'connect') void openAll(command.order);
  else if (command.kind === 'reset') watch.take();
  else tell({ kind: 'report', report: watch.take() });
});
process.on('disconnect', () => process.exit(0));
