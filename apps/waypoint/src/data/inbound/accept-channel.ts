import type { ByteChannel } from '@ambit/net';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { CompiledPort, PortProtocol } from '../../config/destination.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import { RequestHandler } from '../../request/request-handler.ts';
import type { RequestSurroundings } from '../../request/request-surroundings.ts';
import { readClientHello } from './client-hello.ts';
import { HttpSession } from './http-session.ts';
import { type HttpOrigin, httpSettings } from './http-settings.ts';
import { PeekedChannel, type PeekUser } from './peeked-channel.ts';
import { isHttp2Preface, sniffProtocol } from './sniff-protocol.ts';
import { TcpSession, type TcpSurroundings } from './tcp-session.ts';

/** What inbound connections of a worker share. */
export interface InboundSurroundings extends TcpSurroundings {
  readonly requests: RequestSurroundings;
}

/** First bytes that are looked at: a request line, or a TLS hello with its records. */
export const maxPeekBytes: number = 16 * 1024 + 64;

/** A client's connection, with what is known of it. */
export interface AcceptedChannel {
  readonly channel: ByteChannel;
  readonly facts: DownstreamFacts;
  readonly config: ConfigSnapshot;
  /** Undefined for a workload: nothing is declared. */
  readonly port: CompiledPort | undefined;
}

/** Reads the connection as its port says. Owns the channel, which is not attached yet. */
export function acceptChannel(surroundings: InboundSurroundings, accepted: AcceptedChannel): void {
  const protocol: PortProtocol = accepted.port?.protocol ?? 'auto';
  if (protocol === 'tcp') startTcp(surroundings, accepted, accepted.channel, undefined);
  else new Peek(surroundings, accepted, protocol).start();
}

/** One TCP session with the routes of the port. */
function startTcp(
  surroundings: InboundSurroundings,
  { facts, config, port }: AcceptedChannel,
  channel: ByteChannel,
  serverName: string | undefined,
): void {
  new TcpSession(surroundings, channel, facts).start(config, port?.tcpRoutes ?? [], serverName);
}

/** Requests of one connection; returned for whoever has more to say of it. */
export function startHttp(
  { loop, requests, live }: InboundSurroundings,
  facts: DownstreamFacts,
  config: ConfigSnapshot,
  channel: ByteChannel,
  isHttp2: boolean,
  origin: HttpOrigin,
): HttpSession {
  const handler = new RequestHandler(facts, requests, () => {
    // The session takes itself out of those that live.
  });
  return new HttpSession(channel, isHttp2, handler, live, loop, httpSettings(config.proxy, origin));
}

/** Waits for as many bytes as tell how to go on. */
class Peek implements PeekUser {
  readonly #surroundings: InboundSurroundings;
  readonly #accepted: AcceptedChannel;
  readonly #protocol: PortProtocol;
  #channel: PeekedChannel | undefined;

  constructor(surroundings: InboundSurroundings, accepted: AcceptedChannel, protocol: PortProtocol) {
    this.#surroundings = surroundings;
    this.#accepted = accepted;
    this.#protocol = protocol;
  }

  start(): void {
    this.#channel = new PeekedChannel(this.#surroundings.loop, this.#accepted.channel, this, maxPeekBytes);
  }

  onPeek(bytes: Buffer): boolean {
    if (this.#protocol === 'tls') return this.#onHello(bytes);
    if (this.#protocol !== 'auto') {
      const preface = isHttp2Preface(bytes);
      if (preface === 'more') return false;
      this.#startHttp(preface === 'yes');
      return true;
    }
    switch (sniffProtocol(bytes)) {
      case 'more':
        return false;
      case 'http':
        this.#startHttp(isHttp2Preface(bytes) === 'yes');
        return true;
      case 'other':
        return this.#onHello(bytes);
    }
  }

  /** What has come is not enough for a decision, and never will be. */
  onPeekEnd(): void {
    if (this.#protocol === 'auto' || this.#protocol === 'tls') this.#startTcp(undefined);
    else this.#startHttp(false);
  }

  onPeekLost(): void {
    // Nothing had begun.
  }

  #onHello(bytes: Buffer): boolean {
    const hello = readClientHello(bytes);
    if (hello.kind === 'more') return false;
    this.#startTcp(hello.kind === 'hello' ? hello.serverName : undefined);
    return true;
  }

  #startTcp(serverName: string | undefined): void {
    if (this.#channel !== undefined) startTcp(this.#surroundings, this.#accepted, this.#channel, serverName);
  }

  #startHttp(isHttp2: boolean): void {
    const { facts, config } = this.#accepted;
    if (this.#channel !== undefined) startHttp(this.#surroundings, facts, config, this.#channel, isHttp2, 'tunnel');
  }
}
