/**
 * The process of all xDS clients of a run: one gRPC stream each over TLS connections that some of them share. Started by
 * `fork`; see `client-messages.ts` for what it is told and what it tells.
 */
import { connect, type ClientHttp2Session } from 'node:http2';
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, scanResponse } from '@ambit/xds';
import { ChangeWatch } from './change-watch.ts';
import type { ClientsCommand, ClientsEvent, ClientsOrder } from './client-messages.ts';
import { ClientStream } from './client-stream.ts';

const WINDOW = 4 * 1024 * 1024;
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
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < connections; i += 1) {
    const session = connect(`https://localhost:${port}`, { ca: rootsPem, settings: { initialWindowSize: WINDOW } });
    session.on('error', (error) => tell({ kind: 'failed', reason: `connection ${i}: ${error.message}` }));
    session.on('connect', () => session.setLocalWindowSize(WINDOW));
    sessions.push(session);
  }
  for (const [client, token] of tokens.entries()) {
    const session = sessions[client % connections];
    if (session === undefined) continue;
    const stream = new ClientStream(session, client, token, client === 0, {
      first: (_client, typeUrl, length, message) => {
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
      push: (nonce, message) => watch.received(nonce, message),
      failed: (failing, reason) => tell({ kind: 'failed', reason: `client ${failing}: ${reason}` }),
    });
    streams.push(stream);
  }
}

process.on('message', (command: ClientsCommand) => {
  if (command.kind === 'connect') void openAll(command.order);
  else if (command.kind === 'reset') watch.take();
  else tell({ kind: 'report', report: watch.take() });
});
process.on('disconnect', () => process.exit(0));
