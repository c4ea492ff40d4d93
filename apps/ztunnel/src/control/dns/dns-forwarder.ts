/**
 * Asks the upstream servers from inside the pod's namespace, so that NetworkPolicy and routing of the pod apply.
 *
 * Each question gets a socket of its own, hence a random source port. At most `maxInFlight` wait at a time; the next
 * one is refused at once. A server that does not answer is followed by the next one.
 */
import { createSocket } from 'node:dgram';
import { Socket } from 'node:net';
import type { Fd } from '@ambit/net';
import { io } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';

export interface DnsForwarderOptions {
  readonly netnsFd: Fd | undefined;
  readonly mark: number | undefined;
  readonly servers: readonly string[];
  /** Whole time for one question over all servers; default 5,000 ms (Istio: 5 s). */
  readonly timeoutMs?: number;
  /** Default 256. */
  readonly maxInFlight?: number;
  /** Default 53. */
  readonly port?: number;
}

const TCP_LENGTH_BYTES = 2;

export class DnsForwarder {
  readonly #options: Required<DnsForwarderOptions>;
  #inFlight = 0;

  constructor(options: DnsForwarderOptions) {
    this.#options = { timeoutMs: 5_000, maxInFlight: 256, port: 53, ...options };
  }

  /**
   * The first usable reply. The bytes are those of the server, its id replaced by nothing: ids are the client's own.
   * @throws AmbitError `DNS_NO_UPSTREAM`, `DNS_BUSY`, `DNS_TIMEOUT`, `DNS_UPSTREAM_FAILED`, or the signal's reason.
   */
  async ask(query: Buffer, transport: 'udp' | 'tcp', { signal }: { readonly signal: AbortSignal }): Promise<Buffer> {
    const { servers, maxInFlight, timeoutMs } = this.#options;
    if (servers.length === 0)
      throw new AmbitError('DNS_NO_UPSTREAM', 'no name server in resolv.conf to forward to', { source: 'upstream' });
    if (this.#inFlight >= maxInFlight)
      throw new AmbitError('DNS_BUSY', `more than ${maxInFlight} names are being asked upstream`, {
        source: 'downstream',
        retryable: true,
      });
    this.#inFlight += 1;
    try {
      let failure: unknown;
      for (const server of servers) {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs / servers.length)]);
        try {
          return await (transport === 'udp'
            ? this.#askUdp(server, query, deadline)
            : this.#askTcp(server, query, deadline));
        } catch (cause) {
          signal.throwIfAborted();
          failure = cause;
        }
      }
      throw new AmbitError('DNS_UPSTREAM_FAILED', `no answer from ${servers.join(', ')}`, {
        source: 'upstream',
        retryable: true,
        cause: failure,
      });
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #askUdp(server: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
    const { netnsFd, mark, port } = this.#options;
    const isV6 = server.includes(':');
    const fd = io.udpBind({
      address: isV6 ? '::' : '0.0.0.0',
      port: 0,
      ...(netnsFd === undefined ? {} : { netnsFd }),
      ...(mark === undefined ? {} : { mark }),
    });
    if (fd < 0)
      throw new AmbitError('DNS_UPSTREAM_FAILED', `cannot open a UDP socket in the pod's namespace (errno ${-fd})`, {
        source: 'internal',
      });
    const socket = createSocket({ type: isV6 ? 'udp6' : 'udp4' });
    try {
      const reply = Promise.withResolvers<Buffer>();
      socket.on('error', reply.reject);
      signal.addEventListener('abort', () => reply.reject(signal.reason), { once: true });
      socket.on('message', (message, from) => {
        // Anything not from the asked server about the asked id is somebody's guess. Spec: RFC 5452 section 9.1.
        if (
          from.address === server &&
          from.port === port &&
          message.length >= 12 &&
          message.readUInt16BE(0) === query.readUInt16BE(0) &&
          (message.readUInt8(2) & 0x80) !== 0
        )
          reply.resolve(message);
      });
      socket.bind({ fd, exclusive: true }, () => socket.send(query, port, server));
      return await reply.promise;
    } finally {
      socket.close();
    }
  }

  async #askTcp(server: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
    const { netnsFd, mark, port } = this.#options;
    const fd = io.tcpConnect({
      address: server,
      port,
      ...(netnsFd === undefined ? {} : { netnsFd }),
      ...(mark === undefined ? {} : { mark }),
    });
    if (fd < 0)
      throw new AmbitError('DNS_UPSTREAM_FAILED', `cannot connect to ${server} (errno ${-fd})`, { source: 'upstream' });
    const socket = new Socket({ fd });
    try {
      const reply = Promise.withResolvers<Buffer>();
      signal.addEventListener('abort', () => reply.reject(signal.reason), { once: true });
      socket.on('error', reply.reject);
      socket.on('close', () =>
        reply.reject(
          new AmbitError('DNS_UPSTREAM_FAILED', `${server} closed the connection without an answer`, {
            source: 'upstream',
          }),
        ),
      );
      let received = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length >= TCP_LENGTH_BYTES) {
          const end = TCP_LENGTH_BYTES + received.readUInt16BE(0);
          if (received.length >= end) reply.resolve(received.subarray(TCP_LENGTH_BYTES, end));
        }
      });
      const length = Buffer.alloc(TCP_LENGTH_BYTES);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
      return await reply.promise;
    } finally {
      socket.destroy();
    }
  }
}
