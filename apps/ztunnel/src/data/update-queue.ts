import type { EventLoop, IdleWork } from '@ambit/net';
import { decodePolicy, type PolicyStore } from '@ambit/policy';
import { type AddressBatch, changeCount, type WorkloadStore } from '@ambit/workload';
import type { ToWorker } from '../worker-protocol.ts';

type PolicyChanges = Extract<ToWorker, { kind: 'policies' }>['changes'];

type Update =
  | { readonly kind: 'addresses'; readonly batch: AddressBatch }
  | { readonly kind: 'policies'; readonly changes: PolicyChanges }
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

/** A slice ends after this time; the longest step within it is `changesPerStep` changes. */
const sliceMs = 0.8;
const changesPerStep = 16;

/**
 * Applies updates in the order in which they came, in slices between turns of the loop, so that a resync of a large mesh
 * is not felt by connections. Policies and addresses share the one order: a policy must not overtake.
 */
export class UpdateQueue implements IdleWork {
  readonly #loop: EventLoop;
  readonly #store: WorkloadStore;
  readonly #policies: PolicyStore;
  readonly #listener: UpdateListener;
  readonly #queue: Update[] = [];
  /** Changes of the first batch that have been applied. */
  #position = 0;

  constructor(loop: EventLoop, store: WorkloadStore, policies: PolicyStore, listener: UpdateListener) {
    this.#loop = loop;
    this.#store = store;
    this.#policies = policies;
    this.#listener = listener;
  }

  /** The loop's thread only. What fits into one slice is applied before this returns. */
  push(update: Update): void {
    this.#queue.push(update);
    if (this.#queue.length === 1 && !this.step()) return;
    this.#loop.setIdleWork(this);
  }

  step(): boolean {
    const end = performance.now() + sliceMs;
    let hasAddresses = false;
    do {
      const update = this.#queue[0];
      if (update === undefined) break;
      if (update.kind !== 'addresses') {
        // Waiters must see addresses that came before.
        if (hasAddresses) this.#listener.onAddressesChanged();
        hasAddresses = false;
        this.#queue.shift();
        if (update.kind === 'policies') this.#applyPolicies(update.changes);
        else this.#listener.onDemanded(update.name);
      } else {
        hasAddresses = true;
        this.#position = this.#store.apply(update.batch, this.#position, changesPerStep);
        if (this.#position < changeCount(update.batch)) continue;
        this.#position = 0;
        this.#queue.shift();
      }
    } while (performance.now() < end);
    if (hasAddresses) this.#listener.onAddressesChanged();
    return this.#queue.length > 0;
  }

  #applyPolicies(changes: PolicyChanges): void {
    for (const { name, value } of changes) {
      if (value === undefined) {
        this.#policies.remove(name);
        continue;
      }
      const decoded = decodePolicy(value);
      if (decoded.kind === 'policy') this.#policies.upsert(name, decoded.policy);
      else this.#listener.onBadPolicy(name, decoded.reason);
    }
    this.#listener.onPoliciesChanged();
  }
}
