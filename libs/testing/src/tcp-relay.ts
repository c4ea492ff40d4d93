/** A TCP relay in front of a server that can be cut, closed and frozen. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpRelay implements AsyncDisposable {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port: number = 0;

  constructor(host: string, port: number) {
    this.#target = { host, port };
  }

  /** Listens, on the same port as before. */
  async open(): Promise<void> {
    const server = createServer((socket) => this.#relay(socket));
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.port = address.port;
  }

  /** Breaks all connections and takes no new ones. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    this.cut();
    await once(server, 'close');
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Carries nothing more on the connections there are; new ones work. */
  freeze(): void {
    for (const socket of this.#sockets) socket.pause().unpipe();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #relay(socket: Socket): void {
    const peer = connect(this.#target.port, this.#target.host);
    for (const [side, other] of [
      [socket, peer],
      [peer, socket],
    ] as const) {
      this.#sockets.add(side);
      side.on('error', () => other.destroy());
      side.on('close', () => {
        this.#sockets.delete(side);
        other.destroy();
      });
      side.pipe(other);
    }
  }
}
