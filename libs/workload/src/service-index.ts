import { IdPool } from './id-pool.ts';
import { IpTable } from './ip-table.ts';
import { IpWords } from './ip-words.ts';
import type { RecordRef } from './record-segments.ts';
import { type Service, serviceKey } from './workload.ts';

/**
 * What is kept of a service outside of its record. It also stands for a service that has not
 * arrived but has endpoints (`ref` undefined): endpoints are staged by existing.
 */
export interface ServiceEntry {
  readonly id: number;
  readonly key: string;
  readonly namespace: string;
  readonly hostname: string;
  ref: RecordRef | undefined;
  isCanonical: boolean;
  isPublic: boolean;
  allowsUnhealthy: boolean;
}

interface CidrEntry {
  readonly network: number;
  readonly words: IpWords;
  /** Counted in the IPv6 form. */
  readonly length: number;
  readonly entry: ServiceEntry;
}

/** Services by resource name, host name, VIP and CIDR VIP. Spec: contract data-plane 5.3. */
export class ServiceIndex {
  readonly #ids = new IdPool();
  readonly #entries: (ServiceEntry | undefined)[] = [];
  readonly #byKey = new Map<string, ServiceEntry>();
  readonly #byHost = new Map<string, ServiceEntry[]>();
  readonly #vips = new IpTable();
  #cidrs: CidrEntry[] = [];
  readonly #words = new IpWords();
  #present = 0;

  /** Services that have arrived. */
  get size(): number {
    return this.#present;
  }

  get(key: string): ServiceEntry | undefined {
    return this.#byKey.get(key);
  }

  byId(id: number): ServiceEntry | undefined {
    return this.#entries[id];
  }

  entries(): IterableIterator<ServiceEntry> {
    return this.#byKey.values();
  }

  /** The entry of a service, made when there is none; `key` is `namespace/hostname`. */
  ensure(key: string): ServiceEntry {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const slash = key.indexOf('/');
    const entry: ServiceEntry = {
      id: this.#ids.take(),
      key,
      namespace: key.slice(0, slash),
      hostname: key.slice(slash + 1),
      ref: undefined,
      isCanonical: false,
      isPublic: true,
      allowsUnhealthy: false,
    };
    this.#entries[entry.id] = entry;
    this.#byKey.set(key, entry);
    return entry;
  }

  /** Indexes a service that arrived; an older one of that name must have been taken out. */
  insert(service: Service, ref: RecordRef, networkId: (network: string) => number): ServiceEntry {
    const entry = this.ensure(serviceKey(service.namespace, service.hostname));
    entry.ref = ref;
    entry.isCanonical = service.isCanonical;
    entry.isPublic = service.isPublic;
    entry.allowsUnhealthy = service.loadBalancing?.allowsUnhealthy ?? false;
    this.#present++;
    const sameHost = this.#byHost.get(service.hostname);
    if (sameHost === undefined) this.#byHost.set(service.hostname, [entry]);
    else sameHost.push(entry);
    for (const { network, address } of service.vips) {
      this.#words.setText(address);
      this.#vips.insert(networkId(network), this.#words, entry.id);
    }
    for (const { network, address, length } of service.cidrVips) {
      const words = new IpWords();
      words.setText(address);
      const bits = address.includes(':') ? length : length + 96;
      this.#cidrs.push({ network: networkId(network), words, length: bits, entry });
    }
    return entry;
  }

  /** Takes a service out of all indices; its entry stays while endpoints refer to it. */
  remove(service: Service, networkId: (network: string) => number): ServiceEntry | undefined {
    const entry = this.#byKey.get(serviceKey(service.namespace, service.hostname));
    if (entry?.ref === undefined) return undefined;
    entry.ref = undefined;
    this.#present--;
    const sameHost = this.#byHost.get(service.hostname) ?? [];
    const rest = sameHost.filter((other) => other !== entry);
    if (rest.length === 0) this.#byHost.delete(service.hostname);
    else this.#byHost.set(service.hostname, rest);
    for (const { network, address } of service.vips) {
      this.#words.setText(address);
      this.#vips.remove(networkId(network), this.#words, entry.id);
    }
    if (service.cidrVips.length > 0) {
      this.#cidrs = this.#cidrs.filter((cidr) => cidr.entry !== entry);
    }
    return entry;
  }

  /** Forgets an entry without record and without endpoints. */
  release(entry: ServiceEntry): void {
    this.#byKey.delete(entry.key);
    this.#entries[entry.id] = undefined;
    this.#ids.give(entry.id);
  }

  /**
   * The best service with that address: visible to the caller, then of the caller's namespace,
   * then canonical; only without an exact VIP by CIDR: caller's namespace, longest prefix, canonical.
   */
  bestByVip(network: number, ip: IpWords, caller: string | undefined): ServiceEntry | undefined {
    let best: ServiceEntry | undefined;
    for (let at = this.#vips.first(network, ip); at >= 0; at = this.#vips.next(at)) {
      best = better(best, this.#entries[this.#vips.owner(at)], caller);
    }
    return best ?? this.#bestByCidr(network, ip, caller);
  }

  /** The best service with that host name, by the same order. */
  bestByHost(hostname: string, caller: string | undefined): ServiceEntry | undefined {
    let best: ServiceEntry | undefined;
    for (const entry of this.byHost(hostname)) best = better(best, entry, caller);
    return best;
  }

  /** All services with that host name. */
  byHost(hostname: string): readonly ServiceEntry[] {
    return this.#byHost.get(hostname) ?? noEntries;
  }

  #bestByCidr(network: number, ip: IpWords, caller: string | undefined): ServiceEntry | undefined {
    let best: CidrEntry | undefined;
    for (const cidr of this.#cidrs) {
      if (cidr.network !== network || cidr.words.isV4 !== ip.isV4) continue;
      if (!cidr.words.sharesPrefix(ip, cidr.length)) continue;
      if (!isVisible(cidr.entry, caller)) continue;
      if (best === undefined || compareCidrs(cidr, best, caller) > 0) best = cidr;
    }
    return best?.entry;
  }
}

const noEntries: readonly ServiceEntry[] = [];

function isVisible(entry: ServiceEntry, caller: string | undefined): boolean {
  return entry.isPublic || caller === undefined || entry.namespace === caller;
}

function better(
  best: ServiceEntry | undefined,
  entry: ServiceEntry | undefined,
  caller: string | undefined,
): ServiceEntry | undefined {
  if (entry === undefined || !isVisible(entry, caller)) return best;
  if (best === undefined) return entry;
  const difference = rank(entry, caller) - rank(best, caller);
  if (difference !== 0) return difference > 0 ? entry : best;
  // Names decide among equals, so that the order of arrival does not.
  return entry.key < best.key ? entry : best;
}

function rank(entry: ServiceEntry, caller: string | undefined): number {
  if (entry.namespace === caller) return 2;
  return entry.isCanonical ? 1 : 0;
}

function compareCidrs(a: CidrEntry, b: CidrEntry, caller: string | undefined): number {
  const own = Number(a.entry.namespace === caller) - Number(b.entry.namespace === caller);
  if (own !== 0) return own;
  if (a.length !== b.length) return a.length - b.length;
  const canonical = Number(a.entry.isCanonical) - Number(b.entry.isCanonical);
  if (canonical !== 0) return canonical;
  return a.entry.key < b.entry.key ? 1 : -1;
}
