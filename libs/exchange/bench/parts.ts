/** The parts that benchmarks are put together of. */
import { EAGAIN, EPOLLIN, type EventLoop, io, socketChannel } from '@ambit/net';

import {
  acceptHttp,
  defaultClientConnectionSettings,
  defaultServerConnectionSettings,
  Http1ClientConnection,
  Http2ClientConnection,
  type ServerConnectionHandler,
} from '../src/index.ts';
import { TrivialPool, TrivialProxy } from '../src/test-support/trivial-proxy.ts';
import { Asker, Owner, type Run } from './load.ts';

/** Serves on a loopback port; returns the port. */
export function serve(loop: EventLoop, handler: ServerConnectionHandler): number {
  const listener = io.tcpListen({ address: '127.0.0.1', port: 0, backlog: 512 });
  loop.add(listener, EPOLLIN, {
    onEvents: () => {
      for (let fd = io.accept(listener); fd !== -EAGAIN; fd = io.accept(listener)) {
        io.setNoDelay(fd, true);
        acceptHttp(socketChannel(loop, fd), handler, loop, defaultServerConnectionSettings);
      }
    },
  });
  return io.localAddress(listener).port;
}

/** Askers on so many connections with so many streams each. */
export function makeAskers(
  loop: EventLoop,
  run: Run,
  to: { readonly port: number; readonly version: string; readonly connections: number; readonly streams: number },
): readonly Asker[] {
  const Client = to.version === 'h2' ? Http2ClientConnection : Http1ClientConnection;
  const askers: Asker[] = [];
  for (let i = 0; i < to.connections; i++) {
    const fd = io.tcpConnect({ address: '127.0.0.1', port: to.port });
    const connection = new Client(socketChannel(loop, fd), new Owner(), loop, defaultClientConnectionSettings);
    for (let j = 0; j < to.streams; j++) askers.push(new Asker(connection, run));
  }
  return askers;
}

/** A proxy to a port; returns its own. */
export function serveProxy(loop: EventLoop, port: number, version: string): number {
  return serve(loop, new TrivialProxy(new TrivialPool(loop, port, version === 'h2' ? 'HTTP/2' : 'HTTP/1.1')));
}
