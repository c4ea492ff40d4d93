/**
 * Real sockets on loopback. The event loop is turned between the turns of Node's own, so that node:http and node:http2 work
 * as peers in the same process.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { EAGAIN, EPOLLIN, EventLoop, io, socketChannel } from '@ambit/net';

import {
  acceptHttp,
  defaultHttp2Settings,
  defaultServerConnectionSettings,
  type ServerConnection,
  type ServerConnectionHandler,
  type ServerConnectionSettings,
} from '../index.ts';

export class SocketRig implements AsyncDisposable {
  readonly loop: EventLoop = new EventLoop();
  readonly connections: ServerConnection[] = [];
  readonly #undo: (() => void)[] = [];

  defer(undo: () => void): void {
    this.#undo.push(undo);
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
  async listen(server: HttpServer | Http2Server): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.defer(() => {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    });
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    return address.port;
  }

  /** Turns both loops until `isDone`; fails after half a minute. */
  async until(isDone: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (!isDone()) {
      assert.ok(performance.now() < deadline, `not in time: ${what}`);
      this.loop.runOnce(0);
      await nextTurn();
    }
  }

  /** The value of a promise for which both loops have to turn. */
  async result<T>(promise: Promise<T>, what: string): Promise<T> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    promise.then(end, end);
    await this.until(() => isDone, what);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const undo of this.#undo.toReversed()) undo();
    for (let i = 0; i < 5; i++) {
      this.loop.runOnce(0);
      await nextTurn();
    }
    this.loop[Symbol.dispose]();
  }
}
