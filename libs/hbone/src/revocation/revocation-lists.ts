import { type EventLoop, io } from '@ambit/net';
import type { RevocableConnection } from '../hbone-pool.ts';

/** A tunnel, and which side of it we are. */
export interface RevocableTunnel {
  readonly reporter: 'source' | 'destination';
  readonly connection: RevocableConnection;
}

/** Istio's metric, of which handshakes that are refused and tunnels that are closed are parts. */
export const revocationRejections: { readonly name: string; readonly help: string } = {
  name: 'istio_crl_policy_rejections',
  help: 'The total number of connections rejected due to CRL certificate revocation (unstable)',
};

interface Counter {
  inc(): void;
  release(): void;
}

export interface RevocationListsOptions {
  readonly loop: EventLoop;
  /** All tunnels of the thread. */
  readonly tunnels: () => Iterable<RevocableTunnel>;
  /** Of `revocationRejections`, with the label `reporter`. */
  readonly rejections: { bind(labels: readonly [reporter: string]): Counter };
}

/** How many tunnels are looked at in one turn of the loop; each costs about three signatures. */
const tunnelsPerStep = 16;

/**
 * The revocation lists of this thread. New handshakes are held to them by themselves; tunnels that are there are asked
 * again when they change, a few in a turn.
 */
export class RevocationLists {
  readonly #options: RevocationListsOptions;
  #left: RevocableTunnel[] = [];
  #isScheduled = false;

  constructor(options: RevocationListsOptions) {
    this.#options = options;
  }

  /** Takes new lists, which the control thread has read before. Throws NetError `BAD_REVOCATION_LIST`. */
  replace(lists: Uint8Array): void {
    io.tlsRevocations(lists);
    this.lookAgain();
  }

  /** Asks of all that is open whether it is revoked by now: lists of somebody else, which it is held to as well, are new. */
  lookAgain(): void {
    this.#left = [...this.#options.tunnels()];
    this.#schedule();
  }

  /** A handshake of this side was refused. */
  onRefused(reporter: RevocableTunnel['reporter']): void {
    const counter = this.#options.rejections.bind([reporter]);
    counter.inc();
    counter.release();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#left.length === 0) return;
    this.#isScheduled = true;
    this.#options.loop.setTimer(0, { onTimer: () => this.#step() });
  }

  #step(): void {
    this.#isScheduled = false;
    for (const { reporter, connection } of this.#left.splice(0, tunnelsPerStep))
      if (connection.closeIfRevoked()) this.onRefused(reporter);
    this.#schedule();
  }
}
