import type { RevocableConnection } from '@ambit/hbone';
import { type EventLoop, io } from '@ambit/net';
import type { Counter, MetricFamily, MetricRegistry } from '@ambit/telemetry';
import type { Reporter } from './traffic-labels.ts';

/** A tunnel, and which side of it we are. */
export interface RevocableTunnel {
  readonly reporter: Reporter;
  readonly connection: RevocableConnection;
}

/** How many tunnels are looked at in one turn of the loop; each costs about three signatures. */
const tunnelsPerStep = 16;

/**
 * The revocation lists of this thread. New handshakes are held to them by themselves; tunnels that are there are asked
 * again when they change. Istio: `istio_crl_*`, refused and closed in one counter.
 */
export class Revocations {
  readonly #loop: EventLoop;
  readonly #tunnels: () => Iterable<RevocableTunnel>;
  readonly #rejections: MetricFamily<Counter, readonly ['reporter']>;
  #left: RevocableTunnel[] = [];
  #isScheduled = false;

  constructor(loop: EventLoop, registry: MetricRegistry, tunnels: () => Iterable<RevocableTunnel>) {
    this.#loop = loop;
    this.#tunnels = tunnels;
    this.#rejections = registry.counter({
      name: 'istio_crl_policy_rejections',
      help: 'The total number of connections rejected due to CRL certificate revocation (unstable)',
      labels: registry.labels(['reporter']),
    });
  }

  /** Takes new lists, which the control thread has read before. Throws NetError `BAD_REVOCATION_LIST`. */
  replace(lists: Uint8Array): void {
    io.tlsRevocations(lists);
    this.#left = [...this.#tunnels()];
    this.#schedule();
  }

  /** A handshake was refused. */
  onRefused(reporter: Reporter): void {
    const counter = this.#rejections.bind([reporter]);
    counter.inc();
    counter.release();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#left.length === 0) return;
    this.#isScheduled = true;
    this.#loop.setTimer(0, { onTimer: () => this.#step() });
  }

  #step(): void {
    this.#isScheduled = false;
    for (const { reporter, connection } of this.#left.splice(0, tunnelsPerStep))
      if (connection.closeIfRevoked()) this.onRefused(reporter);
    this.#schedule();
  }
}
