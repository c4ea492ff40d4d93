import {
  type HboneError,
  HboneServer,
  type HboneServerConnection,
  type HboneServerHandler,
  type InboundStream,
} from '@ambit/hbone';
import { type Fd, io, type TlsContext } from '@ambit/net';
import type { PeerIdentity } from '@ambit/policy';
import { toAmbitError } from '@ambit/runtime';
import type { Workload } from '@ambit/workload';
import type { CertificateWaiter } from './certificates.ts';
import { type Failure, identityFailure, tooManyHandshakes, unknownWorkload } from './failure.ts';
import { hboneSettings } from './hbone-options.ts';
import { InboundRequest } from './inbound-request.ts';
import { localWorkload, LocalWorkloadWait } from './local-workload.ts';
import { firstIdentity, isOfTrustDomain } from './peer-principal.ts';
import type { LiveConnection, PodScope } from './pod-scope.ts';

/** Inbound HBONE of one pod: certificate, handshake, trust domain, then one `InboundRequest` a stream. */
export class InboundHbone implements HboneServerHandler {
  readonly #scope: PodScope;
  readonly #server: HboneServer;
  /** Connections that are past their handshake. */
  readonly #peers = new Map<HboneServerConnection, PeerIdentity | undefined>();

  constructor(scope: PodScope) {
    this.#scope = scope;
    const { loop, settings } = scope.data;
    this.#server = new HboneServer({ loop, settings: hboneSettings(settings) });
  }

  get connectionCount(): number {
    return this.#server.connectionCount;
  }

  get connections(): Iterable<HboneServerConnection> {
    return this.#server.connections;
  }

  /** Takes an accepted socket. */
  accept(fd: Fd): void {
    const { handshakes, log } = this.#scope.data;
    const source = io.peerAddress(fd);
    if (!handshakes.enter(source.address)) {
      log.denied(source, io.localAddress(fd), 'inbound', tooManyHandshakes);
      io.close(fd);
      return;
    }
    const onSettled = (): void => handshakes.leave(source.address);
    const onReady = (tls: TlsContext): void => {
      // From here on the server owns the socket, and the handshake ends with onPeer or onHandshakeFailed.
      this.#server.accept(fd, tls, new HandshakeHandler(this, onSettled));
    };
    new AcceptedSocket(this.#scope, fd, onReady, onSettled).start();
  }

  /** GOAWAY; streams go on. */
  drain(): void {
    this.#server.drain();
  }

  close(): void {
    this.#server.close();
  }

  onPeer(connection: HboneServerConnection): boolean {
    const { data, pod } = this.#scope;
    const trustDomain = localWorkload(data, pod)?.trustDomain;
    const names = connection.peerUriSans;
    if (trustDomain === undefined || !isOfTrustDomain(names, trustDomain)) return false;
    data.pending.leave();
    this.#peers.set(connection, firstIdentity(names));
    return true;
  }

  onConnect(stream: InboundStream): void {
    new InboundRequest(this.#scope, stream, this.#peers.get(stream.connection)).start();
  }

  onClosed(connection: HboneServerConnection): void {
    this.#peers.delete(connection);
    this.#scope.data.outlets.metrics.sockets('destination').dec();
  }

  onHandshakeFailed(connection: HboneServerConnection, error: HboneError): void {
    const { data } = this.#scope;
    const { remoteAddress, localAddress } = connection;
    if (error.code === 'CERT_REVOKED') data.revocations.onRefused('destination');
    data.pending.leave();
    data.outlets.metrics.sockets('destination').dec();
    data.log.denied(remoteAddress, localAddress, 'inbound', error.message);
  }
}

/** The handler of one connection: says when its handshake is over, one way or the other. */
class HandshakeHandler implements HboneServerHandler {
  readonly #inner: HboneServerHandler;
  readonly #onSettled: () => void;

  constructor(inner: HboneServerHandler, onSettled: () => void) {
    this.#inner = inner;
    this.#onSettled = onSettled;
  }

  onPeer(connection: HboneServerConnection): boolean {
    const isAccepted = this.#inner.onPeer(connection);
    if (isAccepted) this.#onSettled();
    return isAccepted;
  }

  onHandshakeFailed(connection: HboneServerConnection, error: HboneError): void {
    this.#onSettled();
    this.#inner.onHandshakeFailed(connection, error);
  }

  onConnect(stream: InboundStream): void {
    this.#inner.onConnect(stream);
  }

  onClosed(connection: HboneServerConnection, error: HboneError | undefined): void {
    this.#inner.onClosed(connection, error);
  }
}

/** An accepted socket that waits for the certificate it needs. Counts as pending until its handshake ends. */
class AcceptedSocket implements LiveConnection, CertificateWaiter {
  readonly direction = 'inbound';
  readonly #scope: PodScope;
  readonly #fd: Fd;
  readonly #onReady: (tls: TlsContext) => void;
  readonly #onFailed: () => void;
  #cancelWait: (() => void) | undefined;

  constructor(scope: PodScope, fd: Fd, onReady: (tls: TlsContext) => void, onFailed: () => void) {
    this.#scope = scope;
    this.#fd = fd;
    this.#onReady = onReady;
    this.#onFailed = onFailed;
  }

  start(): void {
    const { data, pod } = this.#scope;
    data.pending.enter();
    data.outlets.metrics.sockets('destination').inc();
    this.#scope.add(this);
    const wait = new LocalWorkloadWait(data, pod, (workload) => {
      if (workload === undefined) this.#fail(unknownWorkload(pod));
      else this.#obtainCertificate(workload);
    });
    this.#cancelWait = () => wait.cancel();
    wait.start();
  }

  describe(): undefined {
    return undefined;
  }

  updateCounters(): void {
    // No bytes of a user flow yet.
  }

  traffic(): undefined {
    return undefined;
  }

  abort(failure: Failure): void {
    this.#cancelWait?.();
    this.#fail(failure.text);
  }

  onCertificate(context: TlsContext): void {
    this.#scope.remove(this);
    try {
      this.#onReady(context);
    } catch (error) {
      this.#fail(`tls handshake error: ${toAmbitError(error).message}`);
    }
  }

  onCertificateFailed(detail: string): void {
    this.#fail(`tls handshake error: ${identityFailure(detail).text}`);
  }

  #obtainCertificate({ identity }: Workload): void {
    const { certificates } = this.#scope.data;
    this.#cancelWait = () => certificates.cancel(identity, this);
    certificates.obtain(identity, this);
  }

  #fail(reason: string): void {
    const { data } = this.#scope;
    const source = io.peerAddress(this.#fd);
    const destination = io.localAddress(this.#fd);
    data.log.denied(source, destination, 'inbound', reason);
    io.close(this.#fd);
    data.pending.leave();
    this.#onFailed();
    data.outlets.metrics.sockets('destination').dec();
    this.#scope.remove(this);
  }
}
