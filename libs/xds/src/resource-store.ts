/**
 * What a delta server serves: per type, name -> exact bytes with their version. One store is shared by all streams and
 * each resource is encoded once. Does not know subscriptions, nor what the bytes mean.
 */
import { ChangeLog } from './change-log.ts';
import type { ContentVersion } from './content-version.ts';
import { putResource, resourceLength, type WritableResource } from './delta-response.ts';
import { packBytes, type PackedBytes, unpackBytes } from './packed-bytes.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from './type-url.ts';
import { XdsError } from './xds-error.ts';

/** How one type is versioned and pushed. The order of the specs is the order of types within a push round. */
export interface ResourceTypeSpec {
  readonly typeUrl: string;
  /** Version of a resource's bytes; an empty string makes the server send it again on each reconnect. */
  readonly version: ContentVersion;
  /** `last`: names that vanished leave after all other types' updates, so that nothing refers to them any more. */
  readonly removals: 'with-updates' | 'last';
  /** Sent by name only, and only to streams that may read it; `*` stands for nothing. Default false: for everybody. */
  readonly isPrivate?: boolean;
}

/** A resource as stored, its bytes once. Immutable: a change makes a new one. */
export class StoredResource implements WritableResource {
  readonly name: string;
  readonly version: string;
  readonly packed: PackedBytes;
  readonly #spec: ResourceTypeSpec;

  constructor(spec: ResourceTypeSpec, name: string, version: string, packed: PackedBytes) {
    this.name = name;
    this.version = version;
    this.packed = packed;
    this.#spec = spec;
  }

  /** `Any.value`, a copy. */
  get value(): Uint8Array {
    return unpackBytes(this.packed);
  }

  get encodedLength(): number {
    return resourceLength(this.#spec.typeUrl, this);
  }

  writeTo(out: Buffer, at: number): number {
    return putResource(out, at, this.#spec.typeUrl, this);
  }
}

/** Changes of one type that belong to one moment. */
export interface TypeUpdate {
  readonly typeUrl: string;
  readonly set?: readonly { readonly name: string; readonly value: Uint8Array | PackedBytes }[];
  readonly remove?: readonly string[];
}

/** Names that changed, by type: set, replaced or removed. */
export type StoreChange = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Policies, then addresses, and policies leave last: a data plane never holds an address whose policy is not there.
 * Authorization has no version, as with istiod. Spec: design.md decision 2; control-plane.md section 1.8.
 */
export function ztunnelTypes(contentVersion: ContentVersion): readonly ResourceTypeSpec[] {
  return [
    { typeUrl: AUTHORIZATION_TYPE, version: () => '', removals: 'last' },
    { typeUrl: ADDRESS_TYPE, version: contentVersion, removals: 'with-updates' },
  ];
}

const NONE: ReadonlyMap<string, StoredResource> = new Map();

export class ResourceStore {
  readonly types: readonly ResourceTypeSpec[];
  readonly #resources = new Map<string, Map<string, StoredResource>>();
  readonly #changes = new Map<string, ChangeLog>();
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #generation = 0;

  constructor(types: readonly ResourceTypeSpec[]) {
    this.types = types;
    for (const { typeUrl } of types) {
      this.#resources.set(typeUrl, new Map());
      this.#changes.set(typeUrl, new ChangeLog());
    }
  }

  /** Counts the updates that changed something. */
  get generation(): number {
    return this.#generation;
  }

  /** Current resources of a type by name; empty for a type the store does not have. A live view, not to be kept. */
  all(typeUrl: string): ReadonlyMap<string, StoredResource> {
    return this.#resources.get(typeUrl) ?? NONE;
  }

  get(typeUrl: string, name: string): StoredResource | undefined {
    return this.#resources.get(typeUrl)?.get(name);
  }

  /** What changed lately of a type; undefined for a type the store does not have. Whoever serves it says what to forget. */
  changes(typeUrl: string): ChangeLog | undefined {
    return this.#changes.get(typeUrl);
  }

  /** Forgets which names changed at this generation and before. */
  forgetChanges(generation: number): void {
    for (const log of this.#changes.values()) log.forget(generation);
  }

  /**
   * Applies updates as one moment: all of them are visible before a listener hears of any. Setting equal bytes and
   * removing an absent name change nothing. Bytes are copied, packed ones are shared. Throws `XdsError` `UNKNOWN_TYPE`.
   */
  apply(updates: readonly TypeUpdate[]): void {
    const change = new Map<string, Set<string>>();
    for (const update of updates) {
      const names = this.#applyType(update);
      if (names.size === 0) continue;
      const known = change.get(update.typeUrl);
      if (known === undefined) change.set(update.typeUrl, names);
      else for (const name of names) known.add(name);
    }
    if (change.size === 0) return;
    this.#generation += 1;
    for (const [typeUrl, names] of change) this.#changes.get(typeUrl)?.append(this.#generation, names);
    for (const listener of this.#listeners) listener(change);
  }

  /** Calls `listener` after each change until the returned function is called. */
  onChange(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #applyType(update: TypeUpdate): Set<string> {
    const { typeUrl, set = [], remove = [] } = update;
    const spec = this.types.find((type) => type.typeUrl === typeUrl);
    const held = this.#resources.get(typeUrl);
    if (spec === undefined || held === undefined) {
      throw new XdsError('UNKNOWN_TYPE', `the resource store has no type ${typeUrl}`);
    }
    const changed = new Set<string>();
    for (const name of remove) if (held.delete(name)) changed.add(name);
    for (const { name, value } of set) {
      const before = held.get(name);
      const packed = typeof value === 'string' ? value : packBytes(value);
      if (before?.packed === packed) continue;
      const version = spec.version(typeof value === 'string' ? unpackBytes(value) : value);
      held.set(name, new StoredResource(spec, name, version, packed));
      changed.add(name);
    }
    return changed;
  }
}
