import type { RecordRef } from './record-segments.ts';
import { grown } from './id-pool.ts';
import type { LoadBalancingScope, Workload } from './workload.ts';
import type { WorkloadNames, WorkloadScan } from './workload-scan.ts';

const healthy = 1;
const addressed = 2;
const gatewayed = 4;
const tunnelled = 8;
const hbone = 16;
const pod = 32;
const named = 64;

/** Where a caller is, in the numbers of one store; -1 for a place no record has. */
export interface CallerPlace {
  readonly network: number;
  readonly region: number;
  readonly zone: number;
  readonly subzone: number;
  readonly node: number;
  readonly cluster: number;
}

/**
 * What balancing and conflict rules need to know of each workload without decoding it, one
 * column a property: 45 bytes a workload.
 */
export class WorkloadColumns {
  readonly #names: WorkloadNames;
  #segment: Uint32Array = new Uint32Array(64);
  #offset: Uint32Array = new Uint32Array(64);
  #length: Uint32Array = new Uint32Array(64);
  #network: Uint32Array = new Uint32Array(64);
  #region: Uint32Array = new Uint32Array(64);
  #zone: Uint32Array = new Uint32Array(64);
  #subzone: Uint32Array = new Uint32Array(64);
  #node: Uint32Array = new Uint32Array(64);
  #cluster: Uint32Array = new Uint32Array(64);
  #capacity: Uint32Array = new Uint32Array(64);
  #flags: Uint32Array = new Uint32Array(64);

  constructor(names: WorkloadNames) {
    this.#names = names;
  }

  set(slot: number, scan: WorkloadScan, ref: RecordRef): void {
    this.#grow(slot);
    this.setRef(slot, ref);
    this.#network[slot] = scan.network;
    this.#region[slot] = scan.region;
    this.#zone[slot] = scan.zone;
    this.#subzone[slot] = scan.subzone;
    this.#node[slot] = scan.node;
    this.#cluster[slot] = scan.cluster;
    this.#capacity[slot] = scan.capacity;
    this.#flags[slot] =
      (scan.isHealthy ? healthy : 0) |
      (scan.addressCount > 0 || scan.hasHostname ? addressed : 0) |
      (scan.hasGateway ? gatewayed : 0) |
      (scan.hasTunnel ? tunnelled : 0) |
      (scan.isHbone ? hbone : 0) |
      (scan.uid.includes('//Pod/') ? pod : 0) |
      (scan.addressCount === 0 && scan.hasHostname ? named : 0);
  }

  setRef(slot: number, ref: RecordRef): void {
    this.#segment[slot] = ref.segment;
    this.#offset[slot] = ref.offset;
    this.#length[slot] = ref.length;
  }

  /** Marks a slot as free. */
  clear(slot: number): void {
    this.#length[slot] = 0;
  }

  /** Where the record of a slot lies, or undefined for a free slot. */
  ref(slot: number): RecordRef | undefined {
    const length = this.#length[slot] ?? 0;
    if (length === 0) return undefined;
    return { segment: this.#segment[slot] ?? 0, offset: this.#offset[slot] ?? 0, length };
  }

  isHealthy(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & healthy) !== 0;
  }

  /** True when it has an IP address or a host name. */
  hasAddress(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & addressed) !== 0;
  }

  /** True when it has a host name and no IP address. */
  hasNameOnly(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & named) !== 0;
  }

  hasGateway(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & gatewayed) !== 0;
  }

  hasApplicationTunnel(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & tunnelled) !== 0;
  }

  capacity(slot: number): number {
    return this.#capacity[slot] ?? 0;
  }

  /** Which of several workloads with one address it is: pods first, then HBONE. */
  addressRank(slot: number): number {
    const flags = this.#flags[slot] ?? 0;
    return ((flags & pod) !== 0 ? 2 : 0) + ((flags & hbone) !== 0 ? 1 : 0);
  }

  /** The numbers of a caller's place, to compare endpoints with. */
  place(caller: Workload): CallerPlace {
    const { networks, regions, zones, subzones, nodes, clusters } = this.#names;
    return {
      network: networks.find(caller.network),
      region: regions.find(caller.locality.region),
      zone: zones.find(caller.locality.zone),
      subzone: subzones.find(caller.locality.subzone),
      node: nodes.find(caller.node),
      cluster: clusters.find(caller.clusterId),
    };
  }

  matches(slot: number, scope: LoadBalancingScope, caller: CallerPlace): boolean {
    switch (scope) {
      case 'region':
        return this.#region[slot] === caller.region;
      case 'zone':
        return this.#zone[slot] === caller.zone;
      case 'subzone':
        return this.#subzone[slot] === caller.subzone;
      case 'node':
        return this.#node[slot] === caller.node;
      case 'cluster':
        return this.#cluster[slot] === caller.cluster;
      case 'network':
        return this.#network[slot] === caller.network;
    }
  }

  #grow(slot: number): void {
    if (slot < this.#segment.length) return;
    this.#segment = grown(this.#segment, slot);
    this.#offset = grown(this.#offset, slot);
    this.#length = grown(this.#length, slot);
    this.#network = grown(this.#network, slot);
    this.#region = grown(this.#region, slot);
    this.#zone = grown(this.#zone, slot);
    this.#subzone = grown(this.#subzone, slot);
    this.#node = grown(this.#node, slot);
    this.#cluster = grown(this.#cluster, slot);
    this.#capacity = grown(this.#capacity, slot);
    this.#flags = grown(this.#flags, slot);
  }
}
