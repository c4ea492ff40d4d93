import { EPOLLOUT, io } from '@ambit/net';
import type {
  EventLoop,
  Fd,
  IoHandler,
  KeepaliveOptions,
  TimerHandler,
  TimerId,
  TlsContext,
  TlsSession,
} from '@ambit/net';

import { TlsTransport } from './byte-transport.ts';
import type { ByteTransport } from './byte-transport.ts';
import { connectError, connectTimeoutError, HboneError } from './hbone-error.ts';
import type { HboneSettings } from './hbone-settings.ts';
import { TlsHandshake } from './tls-handshake.ts';
import type { TlsHandshakeUser } from './tls-handshake.ts';

/** How to reach the other end of a tunnel, and who it must be. */
export interface DialPlan {
  readonly netnsFd?: Fd;
  readonly address: string;
  /** The contract's port is 15008. */
  readonly port: number;
  readonly mark?: number;
  readonly sourceAddress?: string;
  readonly keepalive?: KeepaliveOptions;
  readonly tls: TlsContext;
  /** The chain is verified already; decides on the URI names of the peer's leaf. Spec: data-plane 1.1. */
  readonly verifyPeer: (uriSans: readonly string[]) => boolean;
}

/** Told once how a dial ended. */
export interface TunnelDialUser {
  /** The transport is the receiver's. */
  onDialled(transport: ByteTransport): void;
  onDialFailed(error: HboneError): void;
}

/** One attempt: TCP connect, TLS handshake, identity of the peer. */
export class TunnelDial implements IoHandler, TimerHandler, TlsHandshakeUser {
  readonly #loop: EventLoop;
  readonly #plan: DialPlan;
  readonly #settings: HboneSettings;
  readonly #user: TunnelDialUser;
  #fd: Fd = -1;
  #timer: TimerId | undefined;
  #handshake: TlsHandshake | undefined;

  /** Reports on a later event, never from the constructor. */
  constructor(loop: EventLoop, plan: DialPlan, settings: HboneSettings, user: TunnelDialUser) {
    this.#loop = loop;
    this.#plan = plan;
    this.#settings = settings;
    this.#user = user;
    this.#fd = io.tcpConnect({ ...connectOptions(plan), noDelay: true });
    // A connect that fails at once is reported by the timer, so that callers see one order of things.
    this.#timer = loop.setTimer(this.#fd < 0 ? 0 : settings.connectTimeoutMs, this);
    if (this.#fd >= 0) loop.add(this.#fd, EPOLLOUT, this);
  }

  /** Gives up without telling. */
  cancel(): void {
    this.#handshake?.cancel();
    this.#clearTimer();
    this.#closeSocket();
  }

  onEvents(): void {
    if (this.#handshake !== undefined) return;
    const errno = Math.abs(io.socketError(this.#fd));
    this.#clearTimer();
    if (errno !== 0) return this.#fail(errno === etimedout ? connectTimeoutError(timedOutText) : connectError(errno));
    this.#loop.remove(this.#fd);
    try {
      const { handshakeTimeoutMs } = this.#settings;
      this.#handshake = new TlsHandshake(this.#loop, this.#fd, this.#plan.tls, 'client', handshakeTimeoutMs, this);
    } catch (cause) {
      this.#fail(new HboneError('TLS_FAILED', 'tls error: no session', { source: 'internal', cause }));
    }
  }

  onTimer(): void {
    this.#timer = undefined;
    this.#fail(this.#fd < 0 ? connectError(-this.#fd) : connectTimeoutError('deadline has elapsed'));
  }

  onHandshake(session: TlsSession): void {
    const names = io.tlsPeerUriSans(session);
    const transport = new TlsTransport(this.#loop, session, this.#fd);
    this.#fd = -1;
    if (this.#plan.verifyPeer(names)) {
      this.#user.onDialled(transport);
      return;
    }
    transport.end();
    transport.close();
    this.#user.onDialFailed(
      new HboneError(
        'TLS_FAILED',
        `tls error: identity verification error: peer did not present the expected identity, got [${names.join(', ')}]`,
      ),
    );
  }

  onHandshakeFailed(error: HboneError): void {
    this.#fail(error);
  }

  #fail(error: HboneError): void {
    this.#clearTimer();
    this.#closeSocket();
    this.#user.onDialFailed(error);
  }

  #closeSocket(): void {
    if (this.#fd < 0) return;
    this.#loop.remove(this.#fd);
    io.close(this.#fd);
    this.#fd = -1;
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#loop.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

const etimedout = 110;
const timedOutText = 'Connection timed out (os error 110)';

function connectOptions(plan: DialPlan): Omit<DialPlan, 'tls' | 'verifyPeer'> {
  const { tls: _tls, verifyPeer: _verifyPeer, ...options } = plan;
  return options;
}
