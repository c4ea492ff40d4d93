import type { EventLoop, IdleWork } from '@ambit/net';
import { decodePolicy, type PolicyStore } from '@ambit/policy';
import { type AddressBatch, changeCount, type WorkloadStore } from '@ambit/workload';
import type { ToWorker } from '../worker-protocol.ts';

type Update = Extract<ToWorker, { kind: 'addresses' | 'policies' | 'demanded' }>;

/** What waits for its turn. */
type Queued =
  | { readonly kind: 'addresses'; readonly batch: AddressBatch }
  | { readonly kind: 'removedPolicies'; readonly names: Set<string> }
  | { readonly kind: 'demanded'; readonly name: string };

/** Told when something has changed. */
export interface UpdateListener {
  onAddressesChanged(): void;
  onPoliciesChanged(): void;
  /** Everything that came before the answer to a demand has been applied. */
  onDemanded(name: string): void;
  /** A policy the control thread accepted does not decode here: a bug worth a line. */
  onBadPolicy(name: string, reason: string): void;
}

/**
 * A slice ends after this time. A request waits for up to one slice in each turn it needs, so the slice is
 * small against a round trip (200 us); 100,000 workloads then take a few seconds while requests run.
 */
const sliceMs = 0.08;
/** Changes between two looks at the clock; one takes 2 to 6 us. */
const changesPerStep = 4;
/** An update of this size is applied at once. */
const smallBatch = 16;

/**
 * Applies updates in slices between turns of the loop, so that a resync of a large mesh is not felt by connections.
 *
 * Order: a policy that is new or changed is in force at once, ahead of addresses that still wait; being early is harmless.
 * A removed policy keeps its place behind the addresses that came before, which may be those that drop its name.
 */
export class UpdateQueue implements IdleWork {
  readonly #loop: EventLoop;
  readonly #store: WorkloadStore;
  readonly #policies: PolicyStore;
  readonly #listener: UpdateListener;
  readonly #queue: Queued[] = [];
  /** Changes of the first batch that have been applied. */
  #position = 0;

  constructor(loop: EventLoop, store: WorkloadStore, policies: PolicyStore, listener: UpdateListener) {
    this.#loop = loop;
    this.#store = store;
    this.#policies = policies;
    this.#listener = listener;
  }

  /** Takes an update; a small one that nothing waits before is applied before this returns. */
  push(update: Update): void {
    if (update.kind === 'policies') {
      const names = this.#applyPolicies(update.changes);
      if (names.size === 0) return;
      this.#queue.push({ kind: 'removedPolicies', names });
    } else {
      this.#queue.push(update);
    }
    const isSmall = update.kind !== 'addresses' || changeCount(update.batch) <= smallBatch;
    if (this.#queue.length > 1 || !isSmall) this.#loop.setIdleWork(this);
    else while (this.step());
  }

  step(): boolean {
    const end = performance.now() + sliceMs;
    let hasAddresses = false;
    do {
      const update = this.#queue[0];
      if (update === undefined) break;
      if (update.kind === 'addresses') {
        hasAddresses = true;
        this.#position = this.#store.apply(update.batch, this.#position, changesPerStep);
        if (this.#position < changeCount(update.batch)) continue;
        this.#position = 0;
        this.#queue.shift();
        continue;
      }
      // Who waits must see the addresses that came before.
      if (hasAddresses) this.#listener.onAddressesChanged();
      hasAddresses = false;
      this.#queue.shift();
      if (update.kind === 'demanded') this.#listener.onDemanded(update.name);
      else this.#removePolicies(update.names);
    } while (performance.now() < end);
    if (hasAddresses) this.#listener.onAddressesChanged();
    return this.#queue.length > 0;
  }

  /** Puts new and changed policies in force; returns the names of those that are gone. */
  #applyPolicies(changes: Extract<Update, { kind: 'policies' }>['changes']): Set<string> {
    const removed = new Set<string>();
    let hasChanged = false;
    for (const { name, value } of changes) {
      if (value === undefined) {
        removed.add(name);
        continue;
      }
      removed.delete(name);
      this.#forgetRemoval(name);
      const decoded = decodePolicy(value);
      if (decoded.kind === 'rejected') {
        this.#listener.onBadPolicy(name, decoded.reason);
        continue;
      }
      this.#policies.upsert(name, decoded.policy);
      hasChanged = true;
    }
    if (hasChanged) this.#listener.onPoliciesChanged();
    return removed;
  }

  /** A policy that came back must not be taken away by a removal that still waits. */
  #forgetRemoval(name: string): void {
    for (const update of this.#queue) if (update.kind === 'removedPolicies') update.names.delete(name);
  }

  #removePolicies(names: ReadonlySet<string>): void {
    let hasChanged = false;
    for (const name of names) hasChanged = this.#policies.remove(name) || hasChanged;
    if (hasChanged) this.#listener.onPoliciesChanged();
  }
}
