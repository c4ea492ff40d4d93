/**
 * Reads from an encoded workload what the indices need, and nothing else: one string a record and no object, so that
 * a resync of a large mesh makes little garbage. The record has been validated before.
 */
import { ByteInterner } from './byte-interner.ts';
import { readPortList } from './decode-parts.ts';
import { IpWords } from './ip-words.ts';
import { PortLists } from './port-lists.ts';
import { WireReader } from './wire-reader.ts';

/** The numbers that strings have in one store. */
export class WorkloadNames {
  readonly networks: ByteInterner = new ByteInterner();
  readonly regions: ByteInterner = new ByteInterner();
  readonly zones: ByteInterner = new ByteInterner();
  readonly subzones: ByteInterner = new ByteInterner();
  readonly nodes: ByteInterner = new ByteInterner();
  readonly clusters: ByteInterner = new ByteInterner();
  readonly services: ByteInterner = new ByteInterner();
  readonly ports: PortLists = new PortLists();
}

/** The outcome of `read`, valid until the next one. */
export class WorkloadScan {
  uid = '';
  network = 0;
  region = 0;
  zone = 0;
  subzone = 0;
  node = 0;
  cluster = 0;
  capacity = 1;
  isHealthy = true;
  isHbone = false;
  isHostNetwork = false;
  hasHostname = false;
  hasGateway = false;
  hasTunnel = false;
  addressCount = 0;
  serviceCount = 0;
  readonly #names: WorkloadNames;
  readonly #reader = new WireReader();
  readonly #addresses: IpWords[] = [];
  readonly #services: number[] = [];
  readonly #ports: number[] = [];
  readonly #noName: { readonly [Name in 'networks' | 'regions' | 'zones' | 'subzones' | 'nodes']: number };
  readonly #defaultCluster: number;
  readonly #noPorts: number;

  constructor(names: WorkloadNames) {
    this.#names = names;
    this.#noName = {
      networks: names.networks.id(''),
      regions: names.regions.id(''),
      zones: names.zones.id(''),
      subzones: names.subzones.id(''),
      nodes: names.nodes.id(''),
    };
    this.#defaultCluster = names.clusters.id('Kubernetes');
    this.#noPorts = names.ports.id(new Map());
  }

  /** Address number `i` of the last record. */
  address(i: number): IpWords {
    let words = this.#addresses[i];
    if (words === undefined) {
      words = new IpWords();
      this.#addresses[i] = words;
    }
    return words;
  }

  /** Resource name of the service number `i` that the workload is an endpoint of. */
  service(i: number): string {
    return this.#names.services.text(this.#services[i] ?? 0);
  }

  /** Number of the port list towards that service. */
  ports(i: number): number {
    return this.#ports[i] ?? this.#noPorts;
  }

  /** Reads an Address record; false when it holds a service. */
  read(bytes: Uint8Array, offset: number, length: number): boolean {
    const reader = this.#reader.reset(bytes, offset, length);
    while (reader.hasMore) {
      const tag = reader.tag();
      if (tag !== 0x0a) {
        if (tag === 0x12) return false;
        reader.skip(tag);
        continue;
      }
      const outer = reader.enter();
      this.#clear();
      this.#readWorkload(reader);
      reader.leave(outer);
      return true;
    }
    return false;
  }

  #clear(): void {
    const none = this.#noName;
    this.uid = '';
    this.network = none.networks;
    this.region = none.regions;
    this.zone = none.zones;
    this.subzone = none.subzones;
    this.node = none.nodes;
    this.cluster = this.#defaultCluster;
    this.capacity = 1;
    this.isHealthy = true;
    this.isHbone = false;
    this.isHostNetwork = false;
    this.hasHostname = false;
    this.hasGateway = false;
    this.hasTunnel = false;
    this.addressCount = 0;
    this.serviceCount = 0;
  }

  #readWorkload(reader: WireReader): void {
    while (reader.hasMore) {
      const tag = reader.tag();
      switch (tag) {
        case 26: // addresses
          reader.words(this.address(this.addressCount++));
          break;
        case 34: // network
          this.network = reader.interned(this.#names.networks);
          break;
        case 40: // tunnel_protocol
          this.isHbone = reader.varint() === 1;
          break;
        case 74: // node
          this.node = reader.interned(this.#names.nodes);
          break;
        case 136: // status
          this.isHealthy = reader.varint() === 0;
          break;
        case 146: // cluster_id
          this.cluster = reader.interned(this.#names.clusters);
          break;
        case 154: // network_gateway
          this.hasGateway = true;
          reader.skip(tag);
          break;
        case 162: // uid
          this.uid = reader.string();
          break;
        case 170: // hostname
          this.hasHostname = reader.string() !== '';
          break;
        case 178: // services
          this.#readService(reader);
          break;
        case 186: // application_tunnel
          this.hasTunnel = true;
          reader.skip(tag);
          break;
        case 194: // locality
          this.#readLocality(reader);
          break;
        case 200: // network_mode
          this.isHostNetwork = reader.varint() === 1;
          break;
        case 218: // capacity
          this.#readCapacity(reader);
          break;
        default:
          reader.skip(tag);
      }
    }
  }

  #readService(reader: WireReader): void {
    const outer = reader.enter();
    let key = -1;
    let ports = this.#noPorts;
    while (reader.hasMore) {
      const tag = reader.tag();
      if (tag === 0x0a) key = reader.interned(this.#names.services);
      else if (tag === 0x12) ports = this.#readPorts(reader);
      else reader.skip(tag);
    }
    reader.leave(outer);
    if (key < 0) return;
    // A key that comes twice counts once, with its last ports.
    let at = 0;
    while (at < this.serviceCount && this.#services[at] !== key) at++;
    this.#services[at] = key;
    this.#ports[at] = ports;
    if (at === this.serviceCount) this.serviceCount++;
  }

  #readPorts(reader: WireReader): number {
    const outer = reader.enter();
    const { position, limit } = reader;
    const known = this.#names.ports.find(reader.buffer, position, limit);
    reader.leave(outer);
    if (known >= 0) return known;
    const list = new WireReader().reset(reader.buffer, position, limit - position);
    return this.#names.ports.idOfBytes(reader.buffer, position, limit, readPortList(list));
  }

  #readLocality(reader: WireReader): void {
    const outer = reader.enter();
    while (reader.hasMore) {
      const tag = reader.tag();
      if (tag === 0x0a) this.region = reader.interned(this.#names.regions);
      else if (tag === 0x12) this.zone = reader.interned(this.#names.zones);
      else if (tag === 0x1a) this.subzone = reader.interned(this.#names.subzones);
      else reader.skip(tag);
    }
    reader.leave(outer);
  }

  #readCapacity(reader: WireReader): void {
    const outer = reader.enter();
    this.capacity = 0;
    while (reader.hasMore) {
      const tag = reader.tag();
      if (tag === 0x08) this.capacity = reader.varint();
      else reader.skip(tag);
    }
    reader.leave(outer);
  }
}

/** The uid of an encoded workload, without reading the rest. */
export function readWorkloadUid(bytes: Uint8Array, offset: number, length: number): string {
  const reader = uidReader.reset(bytes, offset, length);
  let isInside = false;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (!isInside && tag === 0x0a) {
      reader.enter();
      isInside = true;
    } else if (isInside && tag === 162) {
      return reader.string();
    } else {
      reader.skip(tag);
    }
  }
  return '';
}

const uidReader: WireReader = /* @__PURE__ */ new WireReader();
