import type { HeaderList } from '@ambit/http';
import { io } from '@ambit/net';
import type { EventLoop, Fd, SocketAddress, TlsContext, TlsSession } from '@ambit/net';

import { PlainTransport, TlsTransport } from './byte-transport.ts';
import type { ByteTransport } from './byte-transport.ts';
import { HboneError } from './hbone-error.ts';
import type { HboneSettings } from './hbone-settings.ts';
import { InboundStream } from './inbound-stream.ts';
import { TlsHandshake } from './tls-handshake.ts';
import type { TlsHandshakeUser } from './tls-handshake.ts';
import { TunnelConnection } from './tunnel-connection.ts';
import type { TunnelOwner } from './tunnel-owner.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** What happens on server connections; one handler may serve many. */
export interface HboneServerHandler {
  /** The TLS handshake is done; the chain is verified, the names are not. False closes the connection. */
  onPeer(connection: HboneServerConnection): boolean;
  onConnect(stream: InboundStream): void;
  /** After `onPeer`, once. With an error if it did not end by agreement. */
  onClosed(connection: HboneServerConnection, error: HboneError | undefined): void;
  /** Instead of `onPeer`, or after it answered false. */
  onHandshakeFailed(connection: HboneServerConnection, error: HboneError): void;
}

/** One accepted connection on port 15008: handshake, then tunnels. Owns the socket. */
export class HboneServerConnection implements TlsHandshakeUser, TunnelOwner {
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  /** URI names of the peer's leaf, in order; empty before the handshake. */
  peerUriSans: readonly string[] = [];
  /** For the handler's own use. */
  context: unknown;
  readonly #loop: EventLoop;
  readonly #settings: HboneSettings;
  readonly #handler: HboneServerHandler;
  readonly #fd: Fd;
  readonly #onGone: (connection: HboneServerConnection) => void;
  #handshake: TlsHandshake | undefined;
  #tunnel: TunnelConnection | undefined;
  #session: TlsSession | undefined;
  #isDraining = false;

  /** `tls` undefined: no TLS, for conformance tests of the HTTP/2 half. Throws NetError when no session can be made. */
  constructor(
    loop: EventLoop,
    settings: HboneSettings,
    fd: Fd,
    tls: TlsContext | undefined,
    handler: HboneServerHandler,
    onGone: (connection: HboneServerConnection) => void,
  ) {
    this.#loop = loop;
    this.#settings = settings;
    this.#fd = fd;
    this.#handler = handler;
    this.#onGone = onGone;
    this.remoteAddress = io.peerAddress(fd);
    this.localAddress = io.localAddress(fd);
    io.setNoDelay(fd, true);
    if (tls === undefined) this.#start(new PlainTransport(loop, fd));
    else this.#handshake = new TlsHandshake(loop, fd, tls, 'server', settings.handshakeTimeoutMs, this);
  }

  get streamCount(): number {
    return this.#tunnel?.streams.size ?? 0;
  }

  /** DER of the peer's leaf certificate; undefined before the handshake and after the end. Throws NetError if it has none. */
  peerCertificate(): Uint8Array | undefined {
    return this.#session === undefined ? undefined : io.tlsPeerCertificate(this.#session);
  }

  /** Graceful end: no new streams, closes after the last one. A handshake under way is ended first. */
  drain(): void {
    this.#isDraining = true;
    this.#tunnel?.drain();
  }

  /** Ends it now; running bridges end with `reason`. */
  close(reason?: HboneError): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.close(reason);
    } else if (this.#handshake !== undefined) {
      this.#handshake.cancel();
      this.onHandshakeFailed(reason ?? new HboneError('CLOSED', 'connection closed due to connection drain'));
    }
  }

  /** Ends it when the certificate of the peer is on a revocation list now; true if so. A handshake sees to that itself. */
  closeIfRevoked(): boolean {
    return this.#tunnel?.closeIfRevoked() ?? false;
  }

  onHandshake(session: TlsSession): void {
    this.#handshake = undefined;
    this.#session = session;
    this.peerUriSans = io.tlsPeerUriSans(session);
    const transport = new TlsTransport(this.#loop, session, this.#fd);
    if (this.#handler.onPeer(this)) {
      this.#start(transport);
      return;
    }
    this.#session = undefined;
    transport.end();
    transport.close();
    this.#onGone(this);
    this.#handler.onHandshakeFailed(
      this,
      new HboneError('TLS_FAILED', 'tls handshake error: identity of the peer is not accepted', {
        source: 'downstream',
      }),
    );
  }

  onHandshakeFailed(error: HboneError): void {
    this.#handshake = undefined;
    this.#loop.remove(this.#fd);
    io.close(this.#fd);
    this.#onGone(this);
    this.#handler.onHandshakeFailed(this, error);
  }

  onRequest(stream: TunnelStream, head: HeaderList): void {
    this.#handler.onConnect(new InboundStream(this.#loop, this, stream, head));
  }

  onSettings(): void {
    // Nothing depends on the client's settings here.
  }

  onGoAway(): void {
    // The client opens no more streams; it closes when it is done.
  }

  onIdle(): void {
    // A server does not close idle tunnels of its own accord.
  }

  onClosed(error: HboneError | undefined): void {
    this.#session = undefined;
    this.#onGone(this);
    this.#handler.onClosed(this, error);
  }

  #start(transport: ByteTransport): void {
    this.#tunnel = new TunnelConnection(this.#loop, transport, 'server', this.#settings, this);
    if (this.#isDraining) this.#tunnel.drain();
  }
}
