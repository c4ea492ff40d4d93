/**
 * Configuration of this proxy on its way through the control thread: by name from the control plane, compiled here to be
 * refused with reasons, passed on to the workers as bytes, response by response.
 *
 * The Proxy says which Destinations and Servers there are. A new Proxy goes to the workers when everything that it names has
 * been answered, so that no route of it leads to what is not known yet; what it no longer names leaves together with the change.
 */
import type { DeltaTypeHandler, ReceivedResource, Rejection } from '@ambit/xds';
import { DESTINATION_TYPE, PROXY_TYPE, SERVER_TYPE } from '@ambit/xds';
import { compileDestination } from '../config/destination.ts';
import type { Compiled } from '../config/problems.ts';
import { type CompiledProxy, compileProxy } from '../config/proxy.ts';
import { compileServer } from '../config/server.ts';
import type { ConfigUpdate } from '../worker-protocol.ts';

/** What it needs of others. */
export interface ProxyStateOptions {
  /** `<namespace>/<gateway>`. */
  readonly name: string;
  /** To every worker. */
  readonly publish: (update: ConfigUpdate) => void;
  /** Which names of a type are to be followed from now on. */
  readonly follow: (typeUrl: string, add: readonly string[], remove: readonly string[]) => void;
  /** Something was taken that an operator should look at. */
  readonly onWarnings: (name: string, warnings: readonly string[]) => void;
  /** The first complete configuration is on its way to the workers. */
  readonly onComplete: () => void;
}

/** Resources of one type that the Proxy names. */
class NamedResources {
  readonly typeUrl: string;
  readonly wanted = new Set<string>();
  readonly values = new Map<string, Uint8Array>();
  /** The control plane has said what there is, or that there is none. */
  readonly #answered = new Set<string>();
  #changes = new Map<string, Uint8Array | undefined>();

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  get isComplete(): boolean {
    for (const name of this.wanted) if (!this.#answered.has(name)) return false;
    return true;
  }

  put(name: string, value: Uint8Array): void {
    this.#answered.add(name);
    this.values.set(name, value);
    this.#changes.set(name, value);
  }

  /** Refused: an answer all the same; the last good one stays. */
  refuse(name: string): void {
    this.#answered.add(name);
  }

  remove(name: string): void {
    this.#answered.add(name);
    if (this.values.delete(name)) this.#changes.set(name, undefined);
  }

  /** Adds names; returns the new ones. */
  want(names: readonly string[]): readonly string[] {
    const added = names.filter((name) => !this.wanted.has(name));
    for (const name of added) this.wanted.add(name);
    return added;
  }

  /** Drops names that are not among `names`; returns them. */
  keepOnly(names: readonly string[]): readonly string[] {
    const kept = new Set(names);
    const dropped = [...this.wanted].filter((name) => !kept.has(name));
    for (const name of dropped) {
      this.wanted.delete(name);
      this.remove(name);
      this.#answered.delete(name);
    }
    return dropped;
  }

  takeChanges(): readonly (readonly [string, Uint8Array | undefined])[] {
    const changes = [...this.#changes];
    this.#changes = new Map();
    return changes;
  }
}

export class ProxyState {
  readonly #options: ProxyStateOptions;
  readonly #destinations = new NamedResources(DESTINATION_TYPE);
  readonly #servers = new NamedResources(SERVER_TYPE);
  #proxy: { readonly compiled: CompiledProxy; readonly value: Uint8Array } | undefined;
  /** Received and waiting for what it names. */
  #next: { readonly compiled: CompiledProxy; readonly value: Uint8Array } | undefined;

  constructor(options: ProxyStateOptions) {
    this.#options = options;
  }

  /** In the order in which the types are asked for. */
  handlers(): readonly DeltaTypeHandler[] {
    return [
      this.#handler(this.#destinations, compileDestination),
      this.#handler(this.#servers, compileServer),
      {
        typeUrl: PROXY_TYPE,
        mode: 'named',
        update: (resources) => this.#takeProxy(resources),
        // A Gateway that is gone takes its pods with it; until then the last configuration serves.
        remove: () => undefined,
      },
    ];
  }

  /** The configuration in force; undefined until it is complete. */
  get proxy(): CompiledProxy | undefined {
    return this.#proxy?.compiled;
  }

  /** What the control plane has not answered yet. */
  get missing(): string {
    if (this.#proxy !== undefined) return '';
    return this.#next === undefined ? `Proxy ${this.#options.name}` : 'resources of the Proxy';
  }

  /** Resources in force, as bytes by name, for the dump. */
  resources(): {
    readonly proxy: Uint8Array | undefined;
    readonly destinations: ReadonlyMap<string, Uint8Array>;
    readonly servers: ReadonlyMap<string, Uint8Array>;
  } {
    return {
      proxy: this.#proxy?.value,
      destinations: this.#destinations.values,
      servers: this.#servers.values,
    };
  }

  #takeProxy(resources: readonly ReceivedResource[]): readonly Rejection[] {
    const rejections: Rejection[] = [];
    for (const { name, value: view } of resources) {
      if (name !== this.#options.name) continue;
      const value = view.slice();
      const compiled = compileProxy(value);
      if (compiled.kind === 'bad') {
        rejections.push({ name, reason: compiled.problems.join('; ') });
        continue;
      }
      this.#warn(name, compiled.warnings);
      this.#next = { compiled: compiled.value, value };
      for (const [named, names] of this.#named(compiled.value)) {
        this.#options.follow(named.typeUrl, named.want(names), []);
      }
      this.#settle();
    }
    return rejections;
  }

  #named({ destinations, servers }: CompiledProxy): readonly (readonly [NamedResources, readonly string[]])[] {
    return [
      [this.#destinations, destinations],
      [this.#servers, servers],
    ];
  }

  #handler<T>(named: NamedResources, compile: (bytes: Uint8Array) => Compiled<T>): DeltaTypeHandler {
    return {
      typeUrl: named.typeUrl,
      mode: 'named',
      update: (resources) => {
        const rejections: Rejection[] = [];
        for (const { name, value: view } of resources) {
          if (!named.wanted.has(name)) continue;
          const value = view.slice();
          const compiled = compile(value);
          if (compiled.kind === 'ok') {
            this.#warn(name, compiled.warnings);
            named.put(name, value);
          } else {
            named.refuse(name);
            rejections.push({ name, reason: compiled.problems.join('; ') });
          }
        }
        return rejections;
      },
      remove: (names) => {
        for (const name of names) if (named.wanted.has(name)) named.remove(name);
      },
      settled: () => this.#settle(),
    };
  }

  /** Passes on what has changed, with the next Proxy as soon as all of it is there. */
  #settle(): void {
    const isComplete = this.#destinations.isComplete && this.#servers.isComplete;
    const next = isComplete ? this.#next : undefined;
    const isFirst = next !== undefined && this.#proxy === undefined;
    if (next !== undefined) {
      this.#next = undefined;
      this.#proxy = next;
      for (const [named, names] of this.#named(next.compiled)) {
        this.#options.follow(named.typeUrl, [], named.keepOnly(names));
      }
    }
    if (this.#proxy === undefined) return;
    const destinations = this.#destinations.takeChanges();
    const servers = this.#servers.takeChanges();
    if (next === undefined && destinations.length + servers.length === 0) return;
    this.#options.publish({ proxy: next?.value, destinations, servers });
    if (isFirst) this.#options.onComplete();
  }

  #warn(name: string, warnings: readonly string[]): void {
    if (warnings.length > 0) this.#options.onWarnings(name, warnings);
  }
}
