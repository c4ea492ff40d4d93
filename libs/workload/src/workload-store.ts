import type { AddressBatch } from './address-batch.ts';
import { changeCount } from './address-batch.ts';
import { type Address, decodeAddress } from './decode-address.ts';
import { EndpointCursor } from './endpoint-cursor.ts';
import { EndpointTable, noEndpoint } from './endpoint-table.ts';
import { HashIndex, hashText } from './hash-index.ts';
import { IdPool } from './id-pool.ts';
import { IpTable } from './ip-table.ts';
import { IpWords } from './ip-words.ts';
import { RecordCache } from './record-cache.ts';
import { type RecordRef, RecordSegments } from './record-segments.ts';
import { type ServiceEntry, ServiceIndex } from './service-index.ts';
import { type Service, serviceKey, type Workload } from './workload.ts';
import { WorkloadColumns } from './workload-columns.ts';
import { readWorkloadUid, WorkloadNames, WorkloadScan } from './workload-scan.ts';
import type { WorkloadView } from './workload-view.ts';

/** What a watcher is told of a workload that runs on this node. */
export interface LocalWorkloadWatcher {
  onLocalWorkload(workload: Workload): void;
  onLocalWorkloadGone(workload: Workload): void;
}

export interface WorkloadStoreOptions {
  /** Workloads of this node are found by name; undefined takes every workload as local. */
  readonly localNode?: string;
  /** Decoded records kept; the rest is decoded again when asked for. */
  readonly cachedRecords?: number;
}

/**
 * The workloads and services of one thread: compact indices over encoded records in shared
 * memory. The content is a function of the set of applied resources, not of their order.
 */
export class WorkloadStore implements WorkloadView {
  readonly segments: RecordSegments = new RecordSegments();
  /** Its number; undefined when every workload is local. */
  readonly #localNode: number | undefined;
  readonly #slots = new IdPool();
  readonly #names = new WorkloadNames();
  readonly #columns = new WorkloadColumns(this.#names);
  /** Of the record that comes, and of the one that goes. */
  readonly #scan = new WorkloadScan(this.#names);
  readonly #oldScan = new WorkloadScan(this.#names);
  readonly #byUid = new HashIndex();
  readonly #byIp = new IpTable();
  readonly #services = new ServiceIndex();
  readonly #endpoints = new EndpointTable();
  readonly #local = new Map<string, number[]>();
  readonly #byHostname = new Map<string, number[]>();
  readonly #watchers = new Set<LocalWorkloadWatcher>();
  readonly #words = new IpWords();
  readonly #workloads: RecordCache<Workload>;
  readonly #decodedServices: RecordCache<Service>;
  #wantedUid = '';

  readonly #isWantedUid = (slot: number): boolean => this.#uidOf(slot) === this.#wantedUid;
  readonly #networkId = (network: string): number => this.#names.networks.id(network);
  readonly #releaseIfUnused = (id: number): void => {
    const entry = this.#services.byId(id);
    if (entry === undefined || entry.ref !== undefined || this.#endpoints.count(id) > 0) return;
    this.#services.release(entry);
  };

  constructor(options: WorkloadStoreOptions = {}) {
    const { localNode } = options;
    this.#localNode = localNode === undefined ? undefined : this.#names.nodes.id(localNode);
    const cached = options.cachedRecords ?? 1024;
    this.#workloads = new RecordCache(cached);
    this.#decodedServices = new RecordCache(cached);
  }

  get workloadCount(): number {
    return this.#slots.live;
  }

  get serviceCount(): number {
    return this.#services.size;
  }

  /**
   * Applies at most `count` changes of a batch from position `from` on; returns the position to
   * go on with, which equals `changeCount(batch)` when all is done.
   */
  apply(batch: AddressBatch, from: number, count: number): number {
    if (from === 0) {
      for (const { id, memory } of batch.segments) this.segments.add(id, memory);
    }
    const total = changeCount(batch);
    const end = Math.min(total, from + count);
    for (let i = from; i < end; i++) {
      const segment = batch.changes[i * 3] ?? 0;
      const offset = batch.changes[i * 3 + 1] ?? 0;
      const length = batch.changes[i * 3 + 2] ?? 0;
      if (length === 0) this.remove(batch.removed[offset] ?? '');
      else this.put({ segment, offset, length });
    }
    if (end === total) for (const id of batch.dropped) this.segments.drop(id);
    return end;
  }

  /** Takes the resource over whose bytes lie at `ref`; they must decode. */
  put(ref: RecordRef): void {
    const bytes = this.segments.bytes(ref.segment);
    if (this.#scan.read(bytes, ref.offset, ref.length)) {
      this.#putWorkload(ref);
      return;
    }
    const address = this.#decode(ref);
    if (address.kind === 'service') this.#putService(address.service, ref);
  }

  /** Takes a resource out by its name; false when there is none. */
  remove(name: string): boolean {
    const slot = this.#slotOf(name);
    if (slot >= 0) {
      this.#removeWorkload(slot, name);
      return true;
    }
    const entry = this.#services.get(name);
    const service = entry && this.#service(entry);
    if (entry === undefined || service === undefined) return false;
    this.#removeService(service);
    this.#releaseIfUnused(entry.id);
    return true;
  }

  /** Where the record of a resource lies. */
  refOf(name: string): RecordRef | undefined {
    const slot = this.#slotOf(name);
    return slot >= 0 ? this.#columns.ref(slot) : this.#services.get(name)?.ref;
  }

  /** Calls back for each live record; for compaction and for a thread that starts later. */
  forEachRef(onRef: (ref: RecordRef) => void): void {
    for (let slot = 0; slot < this.#slots.high; slot++) {
      const ref = this.#columns.ref(slot);
      if (ref !== undefined) onRef(ref);
    }
    for (const { ref } of this.#services.entries()) if (ref !== undefined) onRef(ref);
  }

  /** Watches workloads of this node; returns the function that ends it. */
  watchLocal(watcher: LocalWorkloadWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  workloadByUid(uid: string): Workload | undefined {
    const slot = this.#slotOf(uid);
    return slot < 0 ? undefined : this.#workload(slot);
  }

  workloadByAddress(network: string, address: string): Workload | undefined {
    const id = this.#names.networks.find(network);
    if (id < 0 || !this.#words.setText(address)) return undefined;
    let best = -1;
    for (let at = this.#byIp.first(id, this.#words); at >= 0; at = this.#byIp.next(at)) {
      const slot = this.#byIp.owner(at);
      if (best < 0 || this.#ranksHigher(slot, best)) best = slot;
    }
    return best < 0 ? undefined : this.#workload(best);
  }

  workloadByHostname(namespace: string, hostname: string): Workload | undefined {
    const slots = this.#byHostname.get(serviceKey(namespace, hostname));
    return slots === undefined ? undefined : this.#firstByUid(slots);
  }

  localWorkload(name: string, namespace: string, serviceAccount: string): Workload | undefined {
    const slots = this.#local.get(localKey(name, namespace, serviceAccount));
    return slots === undefined ? undefined : this.#firstByUid(slots);
  }

  serviceByKey(key: string): Service | undefined {
    const entry = this.#services.get(key);
    return entry && this.#service(entry);
  }

  bestServiceByVip(network: string, address: string, caller?: string): Service | undefined {
    const id = this.#names.networks.find(network);
    if (id < 0 || !this.#words.setText(address)) return undefined;
    const entry = this.#services.bestByVip(id, this.#words, caller);
    return entry && this.#service(entry);
  }

  bestServiceByHost(hostname: string, caller?: string): Service | undefined {
    const entry = this.#services.bestByHost(hostname, caller);
    return entry && this.#service(entry);
  }

  servicesByHost(hostname: string): readonly Service[] {
    const services: Service[] = [];
    for (const entry of this.#services.byHost(hostname)) {
      const service = this.#service(entry);
      if (service !== undefined) services.push(service);
    }
    return services.sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
  }

  endpointsOf(service: Service, caller: Workload | undefined): EndpointCursor {
    const entry = this.#services.get(serviceKey(service.namespace, service.hostname));
    const place = caller && this.#columns.place(caller);
    const decode = (slot: number): Workload | undefined => this.#workload(slot);
    return new EndpointCursor(this.#columns, this.#endpoints, this.#names.ports, entry, place, decode);
  }

  endpointPorts(service: Service, uid: string): ReadonlyMap<number, number> | undefined {
    const entry = this.#services.get(serviceKey(service.namespace, service.hostname));
    const slot = this.#slotOf(uid);
    if (entry === undefined || slot < 0) return undefined;
    const endpoint = this.#endpoints.find(slot, entry.id);
    if (endpoint === noEndpoint) return undefined;
    // An endpoint that is not ready is not an endpoint, unless the service says so.
    if (!entry.allowsUnhealthy && !this.#columns.isHealthy(slot)) return undefined;
    return this.#names.ports.get(this.#endpoints.ports(endpoint));
  }

  /** All workloads, decoded one after the other; for the admin dump. */
  *workloads(): IterableIterator<Workload> {
    for (let slot = 0; slot < this.#slots.high; slot++) {
      const ref = this.#columns.ref(slot);
      const address = ref && this.#decode(ref);
      if (address?.kind === 'workload') yield address.workload;
    }
  }

  /** All services that have arrived, decoded one after the other; for the admin dump. */
  *services(): IterableIterator<Service> {
    for (const { ref } of this.#services.entries()) {
      const address = ref && this.#decode(ref);
      if (address?.kind === 'service') yield address.service;
    }
  }

  /** Names of services that have endpoints but have not arrived. */
  *stagedServices(): IterableIterator<string> {
    for (const { ref, key } of this.#services.entries()) if (ref === undefined) yield key;
  }

  /** The workload that was just scanned. */
  #putWorkload(ref: RecordRef): void {
    const scan = this.#scan;
    const known = this.#slotOf(scan.uid);
    if (known >= 0) {
      const old = this.#columns.ref(known);
      if (old !== undefined && this.segments.equal(old, ref)) {
        this.#columns.setRef(known, ref);
        return;
      }
      this.#unindexWorkload(known);
    }
    const slot = known >= 0 ? known : this.#slots.take();
    if (known < 0) this.#byUid.insert(hashText(scan.uid), slot);
    this.#columns.set(slot, scan, ref);
    if (!scan.isHostNetwork) {
      for (let i = 0; i < scan.addressCount; i++) this.#byIp.insert(scan.network, scan.address(i), slot);
    }
    for (let i = 0; i < scan.serviceCount; i++) {
      this.#endpoints.add(slot, this.#services.ensure(scan.service(i)).id, scan.ports(i));
    }
    const isLocal = this.#isLocal(scan);
    if (!isLocal && !scan.hasHostname) return;
    // Few workloads are of this node or have a host name: those are decoded.
    const workload = this.#workload(slot);
    if (workload === undefined) return;
    const { name, namespace, serviceAccount, hostname } = workload;
    if (hostname !== '') addTo(this.#byHostname, serviceKey(namespace, hostname), slot);
    if (!isLocal) return;
    addTo(this.#local, localKey(name, namespace, serviceAccount), slot);
    for (const watcher of this.#watchers) watcher.onLocalWorkload(workload);
  }

  #removeWorkload(slot: number, uid: string): void {
    const gone = this.#unindexWorkload(slot);
    this.#byUid.remove(hashText(uid), slot);
    this.#columns.clear(slot);
    this.#slots.give(slot);
    if (gone === undefined) return;
    for (const watcher of this.#watchers) watcher.onLocalWorkloadGone(gone);
  }

  /** Takes a workload out of all indices but that of its uid; returns it when it is of this node. */
  #unindexWorkload(slot: number): Workload | undefined {
    const scan = this.#oldScan;
    const ref = this.#columns.ref(slot);
    if (ref === undefined) return undefined;
    scan.read(this.segments.bytes(ref.segment), ref.offset, ref.length);
    if (!scan.isHostNetwork) {
      for (let i = 0; i < scan.addressCount; i++) this.#byIp.remove(scan.network, scan.address(i), slot);
    }
    this.#endpoints.removeWorkload(slot, this.#releaseIfUnused);
    const isLocal = this.#isLocal(scan);
    const workload = isLocal || scan.hasHostname ? this.#workload(slot) : undefined;
    this.#workloads.delete(slot);
    if (workload === undefined) return undefined;
    const { name, namespace, serviceAccount, hostname } = workload;
    if (hostname !== '') removeFrom(this.#byHostname, serviceKey(namespace, hostname), slot);
    if (!isLocal) return undefined;
    removeFrom(this.#local, localKey(name, namespace, serviceAccount), slot);
    return workload;
  }

  #putService(service: Service, ref: RecordRef): void {
    const entry = this.#services.get(serviceKey(service.namespace, service.hostname));
    const previous = entry && this.#service(entry);
    if (previous !== undefined) this.#removeService(previous);
    this.#services.insert(service, ref, this.#networkId);
  }

  #removeService(service: Service): void {
    const entry = this.#services.remove(service, this.#networkId);
    if (entry !== undefined) this.#decodedServices.delete(entry.id);
  }

  #isLocal({ node }: WorkloadScan): boolean {
    return this.#localNode === undefined || node === this.#localNode;
  }

  #uidOf(slot: number): string | undefined {
    const cached = this.#workloads.get(slot);
    if (cached !== undefined) return cached.uid;
    const ref = this.#columns.ref(slot);
    if (ref === undefined) return undefined;
    return readWorkloadUid(this.segments.bytes(ref.segment), ref.offset, ref.length);
  }

  #slotOf(uid: string): number {
    this.#wantedUid = uid;
    return this.#byUid.find(hashText(uid), this.#isWantedUid);
  }

  #ranksHigher(slot: number, than: number): boolean {
    const difference = this.#columns.addressRank(slot) - this.#columns.addressRank(than);
    if (difference !== 0) return difference > 0;
    return (this.#uidOf(slot) ?? '') < (this.#uidOf(than) ?? '');
  }

  #firstByUid(slots: readonly number[]): Workload | undefined {
    let first: Workload | undefined;
    for (const slot of slots) {
      const workload = this.#workload(slot);
      if (workload === undefined) continue;
      if (first === undefined || workload.uid < first.uid) first = workload;
    }
    return first;
  }

  #workload(slot: number): Workload | undefined {
    const cached = this.#workloads.get(slot);
    if (cached !== undefined) return cached;
    const ref = this.#columns.ref(slot);
    const address = ref && this.#decode(ref);
    if (address?.kind !== 'workload') return undefined;
    return this.#workloads.set(slot, address.workload);
  }

  #service(entry: ServiceEntry): Service | undefined {
    const cached = this.#decodedServices.get(entry.id);
    if (cached !== undefined) return cached;
    const address = entry.ref && this.#decode(entry.ref);
    if (address?.kind !== 'service') return undefined;
    return this.#decodedServices.set(entry.id, address.service);
  }

  #decode(ref: RecordRef): Address {
    return decodeAddress(this.segments.bytes(ref.segment), ref.offset, ref.length);
  }
}

function localKey(name: string, namespace: string, serviceAccount: string): string {
  return `${namespace}/${serviceAccount}/${name}`;
}

function addTo(index: Map<string, number[]>, key: string, slot: number): void {
  const slots = index.get(key);
  if (slots === undefined) index.set(key, [slot]);
  else slots.push(slot);
}

function removeFrom(index: Map<string, number[]>, key: string, slot: number): void {
  const rest = (index.get(key) ?? []).filter((other) => other !== slot);
  if (rest.length === 0) index.delete(key);
  else index.set(key, rest);
}
