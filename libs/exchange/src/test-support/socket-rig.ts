/** Real sockets on loopback, with servers of this library and of Node's. */
import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';

import { socketChannel } from '@ambit/net';
import { listenOnLoopback, LoopRig } from '@ambit/testing';

import {
  acceptHttp,
  defaultHttp2Settings,
  defaultServerConnectionSettings,
  type ServerConnection,
  type ServerConnectionHandler,
  type ServerConnectionSettings,
} from '../index.ts';

export class SocketRig extends LoopRig {
  readonly connections: ServerConnection[] = [];

  /** Serves on a loopback port in the loop; returns the port. */
  serve(
    handler: ServerConnectionHandler,
    settings: Partial<ServerConnectionSettings> = {},
    accept: typeof acceptHttp = acceptHttp,
  ): number {
    const http2 = { ...defaultHttp2Settings, acceptsExtendedConnect: true };
    const all = { ...defaultServerConnectionSettings, http2, ...settings };
    this.defer(() => {
      for (const connection of this.connections) connection.close();
    });
    return this.listen((fd) => {
      this.connections.push(accept(socketChannel(this.loop, fd), handler, this.loop, all));
    });
  }

  /** Starts a server of Node's on loopback; returns its port. */
  listenNode(server: HttpServer | Http2Server): Promise<number> {
    this.defer(() => {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    });
    return listenOnLoopback(server);
  }
}
