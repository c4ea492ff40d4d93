/**
 * The DNS listeners of one pod: UDP and TCP on port 15053 of its loopback addresses.
 *
 * Owns the descriptors given to it. Bounded: TCP clients a pod, queries in flight a client, bytes buffered a client.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Fd } from '@ambit/net';
import type { DnsResponder } from './dns-responder.ts';

export interface DnsListener {
  readonly udpFd: Fd;
  readonly tcpFd: Fd;
  readonly family: 4 | 6;
}

export interface DnsProxyOptions {
  readonly listeners: readonly DnsListener[];
  readonly responder: DnsResponder;
  readonly onError: (error: Error) => void;
}

const MAX_TCP_CLIENTS = 128;
/** Istio: a TCP client that sends nothing is closed after five seconds. */
const TCP_IDLE_MS = 5_000;
/** Udp queries waited for at a time; more are dropped, and the client asks again. */
const MAX_UDP_QUERIES = 1_024;
const TCP_LENGTH_BYTES = 2;

export class DnsProxy implements AsyncDisposable {
  readonly #options: DnsProxyOptions;
  readonly #stop = new AbortController();
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: Server[] = [];
  readonly #clients = new Set<Socket>();
  #udpQueries = 0;

  /** Starts serving at once. */
  constructor(options: DnsProxyOptions) {
    this.#options = options;
    for (const listener of options.listeners) {
      this.#serveUdp(listener);
      this.#serveTcp(listener);
    }
  }

  #serveUdp(listener: DnsListener): void {
    const socket = createSocket({ type: listener.family === 4 ? 'udp4' : 'udp6' });
    socket.on('error', this.#options.onError);
    socket.on('message', (bytes, from) => void this.#answerUdp(socket, bytes, from));
    socket.bind({ fd: listener.udpFd, exclusive: true });
    this.#udp.push(socket);
  }

  async #answerUdp(socket: UdpSocket, bytes: Buffer, from: RemoteInfo): Promise<void> {
    if (this.#udpQueries >= MAX_UDP_QUERIES) return;
    this.#udpQueries += 1;
    try {
      const reply = await this.#options.responder.respond(bytes, 'udp', { signal: this.#stop.signal });
      // A failed send is the client's loss: it asks again.
      if (reply && !this.#stop.signal.aborted) socket.send(reply, from.port, from.address, () => {});
    } finally {
      this.#udpQueries -= 1;
    }
  }

  #serveTcp(listener: DnsListener): void {
    const server = createServer((client) => void this.#serveClient(client));
    server.maxConnections = MAX_TCP_CLIENTS;
    server.on('error', this.#options.onError);
    server.listen({ fd: listener.tcpFd, exclusive: true });
    this.#tcp.push(server);
  }

  async #serveClient(client: Socket): Promise<void> {
    this.#clients.add(client);
    client.setTimeout(TCP_IDLE_MS, () => client.destroy());
    // A client that goes away is an ordinary ending.
    client.on('error', () => {});
    client.on('close', () => this.#clients.delete(client));
    try {
      let received: Buffer = Buffer.alloc(0);
      // One query at a time: the next chunk is read only after the reply is written, which bounds the buffer.
      for await (const chunk of client) {
        if (!Buffer.isBuffer(chunk)) return;
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        for (;;) {
          if (received.length < TCP_LENGTH_BYTES) break;
          const end = TCP_LENGTH_BYTES + received.readUInt16BE(0);
          if (received.length < end) break;
          const reply = await this.#options.responder.respond(received.subarray(TCP_LENGTH_BYTES, end), 'tcp', {
            signal: this.#stop.signal,
          });
          if (!reply) return;
          received = received.subarray(end);
          const length = Buffer.alloc(TCP_LENGTH_BYTES);
          length.writeUInt16BE(reply.length);
          client.write(Buffer.concat([length, reply]));
        }
      }
    } catch {
      // Reset by the client.
    } finally {
      client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const client of this.#clients) client.destroy();
    for (const socket of this.#udp.splice(0)) socket.close();
    await Promise.all(
      this.#tcp.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  }
}
