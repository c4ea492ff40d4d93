import { type EventLoop, io, type TimerId, type TlsContext } from '@ambit/net';
import { toAmbitError } from '@ambit/runtime';
import type { CertificateMaterial, FromWorker } from '../worker-protocol.ts';

/** Who needs a certificate; exactly one of the calls is made, unless the wait is cancelled. */
export interface CertificateWaiter {
  onCertificate(context: TlsContext): void;
  onCertificateFailed(detail: string): void;
}

interface Held {
  readonly context: TlsContext;
  readonly notAfterMs: number;
}

/** How long a connection waits for the control thread to fetch a certificate. */
const fetchTimeoutMs = 10_000;

/**
 * TLS contexts of the identities of this node, as the control thread delivers them. Keys live inside the contexts
 * only. A replaced context stays in use where a handshake has begun.
 */
export class Certificates {
  readonly #loop: EventLoop;
  readonly #post: (message: FromWorker) => void;
  readonly #held = new Map<string, Held>();
  readonly #waiting = new Map<string, Map<CertificateWaiter, TimerId>>();
  readonly #wallTimeMs: () => number;
  readonly #checksRevocation: boolean;

  constructor(
    loop: EventLoop,
    post: (message: FromWorker) => void,
    wallTimeMs: () => number,
    checksRevocation: boolean,
  ) {
    this.#loop = loop;
    this.#post = post;
    this.#wallTimeMs = wallTimeMs;
    this.#checksRevocation = checksRevocation;
  }

  /** Answers now when the certificate is here and valid; else asks for it and answers later. */
  obtain(identity: string, waiter: CertificateWaiter): void {
    const held = this.#held.get(identity);
    if (held !== undefined && held.notAfterMs > this.#wallTimeMs()) {
      waiter.onCertificate(held.context);
      return;
    }
    let waiting = this.#waiting.get(identity);
    if (waiting === undefined) {
      waiting = new Map();
      this.#waiting.set(identity, waiting);
      this.#post({ kind: 'needCertificate', identity });
    }
    const onTimer = (): void => {
      if (this.#forget(identity, waiter)) waiter.onCertificateFailed('timed out waiting for a certificate');
    };
    waiting.set(waiter, this.#loop.setTimer(fetchTimeoutMs, { onTimer }));
  }

  /** Ends a wait without a call. */
  cancel(identity: string, waiter: CertificateWaiter): void {
    this.#forget(identity, waiter);
  }

  /** Takes a new certificate and answers who waits for it. */
  put(material: CertificateMaterial): void {
    const { identity, certificateChainPem, privateKeyPem, rootsPem, notAfterMs } = material;
    let context: TlsContext;
    try {
      const checksRevocation = this.#checksRevocation;
      context = io.tlsContext({ certificateChainPem, privateKeyPem, rootsPem, role: 'both', checksRevocation });
    } catch (error) {
      this.fail(identity, toAmbitError(error).message);
      return;
    }
    this.#held.set(identity, { context, notAfterMs });
    for (const waiter of this.#takeWaiters(identity)) waiter.onCertificate(context);
  }

  /** The certificate cannot be had for now. */
  fail(identity: string, detail: string): void {
    for (const waiter of this.#takeWaiters(identity)) waiter.onCertificateFailed(detail);
  }

  /** Drops the key of an identity that has left this node. */
  forget(identity: string): void {
    this.#held.delete(identity);
    this.fail(identity, 'the identity has left this node');
  }

  #forget(identity: string, waiter: CertificateWaiter): boolean {
    const waiting = this.#waiting.get(identity);
    const timer = waiting?.get(waiter);
    if (waiting === undefined || timer === undefined) return false;
    this.#loop.clearTimer(timer);
    waiting.delete(waiter);
    if (waiting.size === 0) this.#waiting.delete(identity);
    return true;
  }

  #takeWaiters(identity: string): readonly CertificateWaiter[] {
    const waiting = this.#waiting.get(identity);
    if (waiting === undefined) return [];
    this.#waiting.delete(identity);
    for (const timer of waiting.values()) this.#loop.clearTimer(timer);
    return [...waiting.keys()];
  }
}
