import { type KubeClient, LeaderElection } from '@ambit/kube';
import { type AmbitError, type Clock, delay, toAmbitError } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import { ConfigMapDistribution } from './config-map-distribution.ts';
import type { PublishedMap } from './published-map.ts';
import { revocationMap } from './revocation-config-map.ts';
import { type TrustBundle, rootMap } from './root-config-map.ts';

/** What it works with. */
export interface TrustLeaderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the Lease. */
  readonly namespace: string;
  /** Of this replica; unique. */
  readonly identity: string;
  /** Label selector of the namespaces that are told; undefined: all. */
  readonly selector: string | undefined;
  readonly bundle: () => TrustBundle;
  /** Revocation lists, empty if there are none; undefined: what is published stays. */
  readonly revocationsPem: () => string | undefined;
}

/** Of the Lease that the publisher of roots holds. */
const LEASE_NAME = 'ambit-ca';
/** Between elections that failed as such. */
const PAUSE_MS = 1_000;

/** Publishes roots and revocation lists whenever this replica is the leader. */
export class TrustLeader {
  readonly #options: TrustLeaderOptions;
  #roots: ConfigMapDistribution | undefined;
  #revocations: ConfigMapDistribution | undefined;
  #written = 0;
  #failures = 0;

  constructor(options: TrustLeaderOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#roots !== undefined;
  }

  /** True if this replica leads and every namespace has the bundle of this moment. */
  get isComplete(): boolean {
    return this.#roots?.isComplete ?? false;
  }

  /** ConfigMaps written and attempts that failed, since the start. */
  get counts(): { readonly written: number; readonly failures: number } {
    return { written: this.#written, failures: this.#failures };
  }

  bundleChanged(): void {
    this.#roots?.changed();
  }

  revocationsChanged(): void {
    this.#revocations?.changed();
  }

  /** Stands for election until `signal` is aborted, with whose reason it rejects. */
  async run(signal: AbortSignal): Promise<never> {
    const { client, clock, namespace, identity, logger } = this.#options;
    const election = new LeaderElection({
      client,
      clock,
      namespace,
      identity,
      name: LEASE_NAME,
      onError: (error) => logger.warn({ reason: error.message }, 'election of the leader failed; trying again'),
    });
    for (;;) {
      try {
        await election.run(signal, (term) => this.#lead(term));
      } catch (cause) {
        signal.throwIfAborted();
        logger.error({ reason: toAmbitError(cause).message }, 'publishing roots failed; standing for election again');
      }
      await delay(PAUSE_MS, { signal });
    }
  }

  async #lead(term: AbortSignal): Promise<void> {
    const { bundle, revocationsPem, logger, identity } = this.#options;
    const roots = this.#distribution(rootMap(bundle));
    const revocations = this.#distribution(revocationMap(revocationsPem));
    this.#roots = roots;
    this.#revocations = revocations;
    logger.info({ identity }, 'this replica publishes the roots');
    try {
      await Promise.all([roots.run(term), revocations.run(term)]);
    } finally {
      this.#roots = undefined;
      this.#revocations = undefined;
      logger.info({ identity }, 'this replica no longer publishes the roots');
    }
  }

  #distribution(map: PublishedMap): ConfigMapDistribution {
    const { client, clock, logger, selector } = this.#options;
    return new ConfigMapDistribution({
      client,
      clock,
      selector,
      map,
      onWritten: (namespace) => {
        this.#written += 1;
        logger.debug({ namespace, configMap: map.name }, 'published');
      },
      onError: (namespace, error) => this.#failed(map.name, namespace, error),
    });
  }

  #failed(configMap: string, namespace: string, error: AmbitError): void {
    this.#failures += 1;
    // A namespace that is being deleted refuses new objects; its end is told by the watch.
    const level = error.message.includes('being terminated') ? 'debug' : 'warn';
    this.#options.logger[level]({ namespace, configMap, code: error.code, reason: error.message }, 'not published');
  }
}
