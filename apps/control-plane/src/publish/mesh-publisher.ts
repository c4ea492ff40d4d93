import { type Change } from '@ambit/collections';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  DESTINATION_TYPE,
  type PackedBytes,
  PROXY_TYPE,
  type ResourceStore,
  SERVER_TYPE,
} from '@ambit/xds';
import type { MeshCollections } from '../derive/mesh-collections.ts';

/** Counts of one publication. */
export interface Publication {
  readonly generation: number;
  readonly changed: number;
  readonly removed: number;
}

/**
 * Copies derived resources into the xDS store, all changes of one update as one moment. The store's types decide that
 * policies go out before the addresses that name them. Start it before the sources are loaded. Disposing stops it.
 */
export class MeshPublisher implements Disposable {
  readonly #store: ResourceStore;
  readonly #onPublished: (publication: Publication) => void;
  readonly #subscriptions = new DisposableStack();
  readonly #addresses = new Map<string, Bytes | undefined>();
  readonly #policies = new Map<string, Bytes | undefined>();
  readonly #proxies = new Map<string, Bytes | undefined>();
  readonly #destinations = new Map<string, Bytes | undefined>();
  readonly #servers = new Map<string, Bytes | undefined>();

  constructor(mesh: MeshCollections, store: ResourceStore, onPublished: (publication: Publication) => void) {
    this.#store = store;
    this.#onPublished = onPublished;
    this.#subscriptions.use(mesh.workloads.subscribe((changes) => collect(this.#addresses, changes)));
    this.#subscriptions.use(mesh.services.subscribe((changes) => collect(this.#addresses, changes)));
    this.#subscriptions.use(mesh.policies.subscribe((changes) => collect(this.#policies, changes)));
    this.#subscriptions.use(mesh.l7.proxies.subscribe((changes) => collect(this.#proxies, changes)));
    this.#subscriptions.use(mesh.l7.destinations.subscribe((changes) => collect(this.#destinations, changes)));
    this.#subscriptions.use(mesh.l7.servers.subscribe((changes) => collect(this.#servers, changes)));
    this.#subscriptions.use(mesh.graph.onSettled(() => this.#publish()));
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
  }

  #publish(): void {
    const before = this.#store.generation;
    const pending = [
      [AUTHORIZATION_TYPE, this.#policies],
      [ADDRESS_TYPE, this.#addresses],
      [DESTINATION_TYPE, this.#destinations],
      [SERVER_TYPE, this.#servers],
      [PROXY_TYPE, this.#proxies],
    ] as const;
    const updates = pending.map(([typeUrl, changes]) => toUpdate(typeUrl, changes));
    for (const [, changes] of pending) changes.clear();
    this.#store.apply(updates);
    const { generation } = this.#store;
    if (generation === before) return;
    const changed = updates.reduce((sum, update) => sum + update.set.length, 0);
    const removed = updates.reduce((sum, update) => sum + update.remove.length, 0);
    this.#onPublished({ generation, changed, removed });
  }
}

type Bytes = Uint8Array | PackedBytes;

function collect(
  into: Map<string, Bytes | undefined>,
  changes: readonly Change<{ readonly bytes: Uint8Array } | { readonly packed: PackedBytes }>[],
): void {
  for (const change of changes) {
    if (change.kind === 'delete') into.set(change.key, undefined);
    else into.set(change.key, 'packed' in change.item ? change.item.packed : change.item.bytes);
  }
}

function toUpdate(typeUrl: string, changes: ReadonlyMap<string, Bytes | undefined>) {
  const set: { readonly name: string; readonly value: Bytes }[] = [];
  const remove: string[] = [];
  for (const [name, value] of changes) {
    if (value === undefined) remove.push(name);
    else set.push({ name, value });
  }
  return { typeUrl, set, remove };
}
