/** The resolver of one node, on UDP and TCP port 53 of the node's address. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { checked, io } from '@ambit/net';
import type { ResourceSource } from '@ambit/kube';
import { decode, encode, streamDecode, streamEncode, type Packet } from 'dns-packet';
import { answerQuery } from './resolver.ts';

const MAX_TCP_QUERY_BYTES = 4_096;
const TCP_IDLE_MS = 5_000;

export class ResolverServer implements Disposable {
  readonly #source: ResourceSource;
  readonly #udp: DatagramSocket;
  readonly #tcp: Server;

  /** Listens inside the node's namespace from now on. @throws NetError when the port is taken. */
  constructor(source: ResourceSource, netnsPath: string, address: string) {
    this.#source = source;
    const netnsFd = io.openNetns(netnsPath);
    let udpFd: number;
    let tcpFd: number;
    try {
      udpFd = checked('bind', io.udpBind({ netnsFd, address, port: 53 }));
      tcpFd = checked('listen', io.tcpListen({ netnsFd, address, port: 53 }));
    } finally {
      io.close(netnsFd);
    }
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (bytes, peer) => {
      const reply = this.#reply(bytes);
      if (reply) this.#udp.send(reply, peer.port, peer.address);
    });
    this.#udp.on('error', () => {});
    this.#udp.bind({ fd: udpFd });
    this.#tcp = createServer((socket) => this.#serve(socket));
    this.#tcp.listen({ fd: tcpFd });
  }

  [Symbol.dispose](): void {
    this.#udp.close();
    this.#tcp.close();
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > MAX_TCP_QUERY_BYTES) socket.destroy();
      else if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const answer = this.#answer(() => streamDecode(received));
        if (answer) socket.end(streamEncode(answer));
        else socket.destroy();
      }
    });
  }

  #reply(bytes: Buffer): Buffer | undefined {
    const answer = this.#answer(() => decode(bytes));
    return answer && encode(answer);
  }

  #answer(read: () => Packet | null): Packet | undefined {
    try {
      const query = read();
      return query ? answerQuery(query, this.#source.list('Service'), this.#source.list('Pod')) : undefined;
    } catch {
      // Not a DNS message: no answer.
      return undefined;
    }
  }
}
