/** Decoder and validator of istio.workload.Workload. Spec: contract data-plane 5.1. */
import { enumValue, readGatewayAddress, readPortList } from './decode-parts.ts';
import { ipText } from './ip-words.ts';
import type { WireReader } from './wire-reader.ts';
import type { ApplicationTunnel, GatewayAddress, Locality, PortMap, Workload } from './workload.ts';
import { WorkloadError } from './workload-error.ts';

/** Reads a workload up to the reader's limit. Throws `WorkloadError` for what must be NACKed. */
export function readWorkload(reader: WireReader): Workload {
  let uid = '';
  let name = '';
  let namespace = '';
  let trustDomain = '';
  let serviceAccount = '';
  let network = '';
  let node = '';
  let clusterId = '';
  let hostname = '';
  let canonicalName = '';
  let canonicalRevision = '';
  let workloadName = '';
  let addresses: string[] | undefined;
  let authorizationPolicies: string[] | undefined;
  let services: Map<string, PortMap> | undefined;
  let waypoint: GatewayAddress | undefined;
  let networkGateway: GatewayAddress | undefined;
  let applicationTunnel: ApplicationTunnel | undefined;
  let locality = nowhere;
  let protocol = 0;
  let networkMode = 0;
  let status = 0;
  let type = 0;
  let capacity = 1;
  let nativeTunnel = false;
  while (reader.hasMore) {
    const tag = reader.tag();
    switch (tag) {
      case 10: // 1
        name = reader.string();
        break;
      case 18: // 2
        namespace = reader.string();
        break;
      case 26: // 3
        (addresses ??= []).push(ipText(reader.bytes()));
        break;
      case 34: // 4
        network = reader.string();
        break;
      case 40: // 5
        protocol = reader.varint();
        break;
      case 50: // 6
        trustDomain = reader.string();
        break;
      case 58: // 7
        serviceAccount = reader.string();
        break;
      case 66: // 8
        waypoint = readGatewayAddress(reader);
        break;
      case 74: // 9
        node = reader.string();
        break;
      case 82: // 10
        canonicalName = reader.string();
        break;
      case 90: // 11
        canonicalRevision = reader.string();
        break;
      case 96: // 12
        type = reader.varint();
        break;
      case 106: // 13
        workloadName = reader.string();
        break;
      case 112: // 14
        nativeTunnel = reader.bool();
        break;
      case 130: // 16
        (authorizationPolicies ??= []).push(reader.string());
        break;
      case 136: // 17
        status = reader.varint();
        break;
      case 146: // 18
        clusterId = reader.string();
        break;
      case 154: // 19
        networkGateway = readGatewayAddress(reader);
        break;
      case 162: // 20
        uid = reader.string();
        break;
      case 170: // 21
        hostname = reader.string();
        break;
      case 178: // 22
        readServiceEntry(reader, (services ??= new Map<string, PortMap>()));
        break;
      case 186: // 23
        applicationTunnel = readApplicationTunnel(reader);
        break;
      case 194: // 24
        locality = readLocality(reader);
        break;
      case 200: // 25
        networkMode = reader.varint();
        break;
      case 218: // 27
        capacity = readWrappedUint32(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  if (uid === '') throw new WorkloadError('WORKLOAD_MALFORMED', 'workload without uid');
  trustDomain ||= 'cluster.local';
  serviceAccount ||= 'default';
  return {
    uid,
    name,
    namespace,
    trustDomain,
    serviceAccount,
    identity: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`,
    addresses: addresses ?? noStrings,
    network,
    isHostNetwork: enumValue(networkModes, networkMode, 'network mode') === 'host-network',
    protocol: enumValue(protocols, protocol, 'tunnel protocol'),
    nativeTunnel,
    waypoint,
    networkGateway,
    applicationTunnel,
    node,
    clusterId: clusterId || 'Kubernetes',
    locality,
    canonicalName,
    canonicalRevision,
    workloadName,
    // The one enum whose unknown numbers are tolerated.
    workloadType: workloadTypes[type] ?? 'deployment',
    authorizationPolicies: authorizationPolicies ?? noStrings,
    isHealthy: enumValue(statuses, status, 'workload status') === 'healthy',
    hostname,
    services: services ?? noServices,
    capacity,
  };
}

// LEGACY_ISTIO_MTLS (2) is left out on purpose: such a workload cannot be reached.
const protocols: readonly ('tcp' | 'hbone')[] = ['tcp', 'hbone'];
const statuses: readonly ('healthy' | 'unhealthy')[] = ['healthy', 'unhealthy'];
const networkModes: readonly ('standard' | 'host-network')[] = ['standard', 'host-network'];
const workloadTypes: readonly Workload['workloadType'][] = ['deployment', 'cronjob', 'pod', 'job'];
const tunnelProtocols: readonly ApplicationTunnel['protocol'][] = ['none', 'proxy'];
const nowhere: Locality = { region: '', zone: '', subzone: '' };
const noStrings: readonly string[] = [];
const noServices: ReadonlyMap<string, PortMap> = new Map();
const noPorts: PortMap = new Map();

function readServiceEntry(reader: WireReader, services: Map<string, PortMap>): void {
  const outer = reader.enter();
  let key = '';
  let ports = noPorts;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      key = reader.string();
    } else if (tag === 0x12) {
      const list = reader.enter();
      ports = readPortList(reader);
      reader.leave(list);
    } else {
      reader.skip(tag);
    }
  }
  reader.leave(outer);
  if (!key.includes('/')) {
    const message = `failed to parse namespaced hostname: ${key}`;
    throw new WorkloadError('WORKLOAD_BAD_HOSTNAME', message);
  }
  services.set(key, ports);
}

function readApplicationTunnel(reader: WireReader): ApplicationTunnel {
  const outer = reader.enter();
  let protocol = 0;
  let port = 0;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x08) protocol = reader.varint();
    else if (tag === 0x10) port = reader.varint() & 0xffff;
    else reader.skip(tag);
  }
  reader.leave(outer);
  return {
    protocol: enumValue(tunnelProtocols, protocol, 'application tunnel protocol'),
    port: port === 0 ? undefined : port,
  };
}

function readLocality(reader: WireReader): Locality {
  const outer = reader.enter();
  let region = '';
  let zone = '';
  let subzone = '';
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) region = reader.string();
    else if (tag === 0x12) zone = reader.string();
    else if (tag === 0x1a) subzone = reader.string();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { region, zone, subzone };
}

function readWrappedUint32(reader: WireReader): number {
  const outer = reader.enter();
  let value = 0;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x08) value = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return value;
}
