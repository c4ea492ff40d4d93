import { compareText } from '@ambit/collections';
import type { ServiceEntry } from '@ambit/kube';
import { compareAge } from '../derive/age-order.ts';
import { ipText } from '../derive/ip-prefix.ts';
import type { Allocation } from '../derive/mesh-sources.ts';
import { wantsAllocation } from '../derive/service-entry-services.ts';

/** What has to survive a restart: numbers by `namespace/name/host`, and the number to try next. */
export interface AllocatorState {
  readonly next: number;
  readonly assigned: Readonly<Record<string, number>>;
}

export const emptyAllocatorState: AllocatorState = { next: 1, assigned: {} };

/** Numbers 1 to 65534 of 240.240.0.0/16 and 2001:2::/48. */
const capacity = 65534;

/**
 * Gives each host of a ServiceEntry without addresses one IPv4 and one IPv6 address. An assignment is kept as long as
 * there is room, also after the host is gone: a client that still holds the old answer must not reach another service.
 * Only when all numbers were given out once are those of vanished hosts given again, oldest name first.
 * Spec: control-plane.md section 3.5, automatic addresses.
 */
export class AddressAllocator {
  readonly #assigned: Map<string, number>;
  #next: number;

  constructor(state: AllocatorState = emptyAllocatorState) {
    this.#assigned = new Map(Object.entries(state.assigned));
    this.#next = state.next;
  }

  get state(): AllocatorState {
    const sorted = [...this.#assigned].toSorted(([a], [b]) => compareText(a, b));
    return { next: this.#next, assigned: Object.fromEntries(sorted) };
  }

  /**
   * Allocations of all entries that want some. New hosts are served in order of age, so the same entries get the same
   * addresses everywhere. A host beyond the capacity gets none.
   */
  assign(entries: readonly ServiceEntry[]): readonly Allocation[] {
    const wanted = entries
      .toSorted((a, b) => compareAge(a.metadata, b.metadata))
      .map((entry) => ({ entry, hosts: hostsOf(entry) }));
    const live = new Set(wanted.flatMap(({ entry, hosts }) => hosts.map((host) => keyOf(entry, host))));
    const taken = new Set(
      entries.flatMap((entry) => [...entry.spec.addresses, ...entry.status.addresses.map(({ value }) => value)]),
    );
    return wanted
      .filter(({ hosts }) => hosts.length > 0)
      .map(({ entry, hosts }) => ({
        name: `${entry.metadata.namespace}/${entry.metadata.name}`,
        addresses: hosts.flatMap((host) => {
          const number = this.#numberFor(keyOf(entry, host), live, taken);
          if (number === undefined) return [];
          return [
            { value: ipv4(number), host },
            { value: ipv6(number), host },
          ];
        }),
      }));
  }

  #numberFor(key: string, live: ReadonlySet<string>, taken: ReadonlySet<string>): number | undefined {
    const known = this.#assigned.get(key);
    if (known !== undefined) return known;
    while (this.#next <= capacity && isTaken(this.#next, taken)) this.#next++;
    if (this.#next <= capacity) return this.#give(key, this.#next++);
    const vanished = [...this.#assigned.keys()].find((candidate) => !live.has(candidate));
    const reused = vanished === undefined ? undefined : this.#assigned.get(vanished);
    if (vanished === undefined || reused === undefined) return undefined;
    this.#assigned.delete(vanished);
    return this.#give(key, reused);
  }

  #give(key: string, number: number): number {
    this.#assigned.set(key, number);
    return number;
  }
}

function hostsOf(entry: ServiceEntry): readonly string[] {
  const stated = new Set(entry.status.addresses.map(({ host }) => host));
  return [...new Set(entry.spec.hosts)].filter((host) => wantsAllocation(entry, host) && !stated.has(host));
}

function keyOf(entry: ServiceEntry, host: string): string {
  return `${entry.metadata.namespace}/${entry.metadata.name}/${host}`;
}

function isTaken(number: number, taken: ReadonlySet<string>): boolean {
  return taken.has(ipv4(number)) || taken.has(ipv6(number));
}

function ipv4(number: number): string {
  return `240.240.${number >> 8}.${number & 0xff}`;
}

function ipv6(number: number): string {
  const bytes = new Uint8Array(16);
  bytes.set([0x20, 0x01, 0x00, 0x02]);
  bytes.set([number >> 8, number & 0xff], 14);
  return ipText(bytes);
}
