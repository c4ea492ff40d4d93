/** Real sockets on loopback, with servers of this library and of Node's. */
import assert from 'node:assert/strict';
import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';

import { EAGAIN, EPOLLIN, EventLoop, io, socketChannel } from '@ambit/net';
import { listenOnLoopback, LoopRig } from '@ambit/testing';

import {
  acceptHttp,
  defaultHttp2Settings,
  defaultServerConnectionSettings,
  type ServerConnection,
  type ServerConnectionHandler,
  type ServerConnectionSettings,
} from '../index.ts';

export class SocketRig extends LoopRig<EventLoop> {
  readonly connections: ServerConnection[] = [];

  constructor() {
    super(new EventLoop());
  }

  /** Serves on a loopback port in the loop; returns the port. */
  serve(
    handler: ServerConnectionHandler,
    settings: Partial<ServerConnectionSettings> = {},
    accept: typeof acceptHttp = acceptHttp,
  ): number {
    const http2 = { ...defaultHttp2Settings, acceptsExtendedConnect: true };
    const all = { ...defaultServerConnectionSettings, http2, ...settings };
    const listener = io.tcpListen({ address: '127.0.0.1', port: 0, backlog: 512 });
    assert.ok(listener >= 0);
    this.loop.add(listener, EPOLLIN, {
      onEvents: () => {
        for (let fd = io.accept(listener); fd !== -EAGAIN; fd = io.accept(listener)) {
          if (fd >= 0) this.connections.push(accept(socketChannel(this.loop, fd), handler, this.loop, all));
        }
      },
    });
    this.defer(() => {
      for (const connection of this.connections) connection.close();
      this.loop.remove(listener);
      io.close(listener);
    });
    return io.localAddress(listener).port;
  }

  /** Starts a server of Node's on loopback; returns its port. */
  listen(server: HttpServer | Http2Server): Promise<number> {
    this.defer(() => {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    });
    return listenOnLoopback(server);
  }
}
