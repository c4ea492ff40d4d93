/** Decoder and validator of istio.workload.Service. Spec: contract data-plane 5.1. */
import { enumValue, readGatewayAddress, readNetworkAddress, readPortInto } from './decode-parts.ts';
import { ipText } from './ip-words.ts';
import type { WireReader } from './wire-reader.ts';
import {
  type CidrVip,
  type GatewayAddress,
  type LoadBalancing,
  type LoadBalancingScope,
  loadBalancingScopes,
  type NetworkAddress,
  type Service,
  type WeightedWaypoint,
} from './workload.ts';
import { WorkloadError } from './workload-error.ts';

/** Reads a service up to the reader's limit. Throws `WorkloadError` for what must be NACKed. */
export function readService(reader: WireReader): Service {
  let name = '';
  let namespace = '';
  let hostname = '';
  const vips: NetworkAddress[] = [];
  const cidrVips: CidrVip[] = [];
  const ports = new Map<number, number>();
  const subjectAltNames: string[] = [];
  const weightedWaypoints: WeightedWaypoint[] = [];
  let waypoint: GatewayAddress | undefined;
  let loadBalancing: LoadBalancing | undefined;
  let families = 0;
  let isCanonical = false;
  let ingressUsesWaypoint = false;
  let visibility = 0;
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
        hostname = reader.string();
        break;
      case 34: // 4
        readVipInto(reader, vips, cidrVips);
        break;
      case 42: // 5
        readPortInto(reader, ports);
        break;
      case 50: // 6
        subjectAltNames.push(reader.string());
        break;
      case 58: // 7
        waypoint = readGatewayAddress(reader);
        break;
      case 66: // 8
        loadBalancing = readLoadBalancing(reader);
        break;
      case 72: // 9
        families = reader.varint();
        break;
      case 88: // 11
        isCanonical = reader.bool();
        break;
      case 96: // 12
        ingressUsesWaypoint = reader.bool();
        break;
      case 106: // 13
        weightedWaypoints.push(readWeightedWaypoint(reader));
        break;
      case 112: // 14
        visibility = reader.varint();
        break;
      default:
        reader.skip(tag);
    }
  }
  if (hostname === '') throw new WorkloadError('WORKLOAD_MALFORMED', 'service without host name');
  return {
    name,
    namespace,
    hostname,
    vips,
    cidrVips,
    ports,
    subjectAltNames,
    waypoint,
    weightedWaypoints,
    ingressUsesWaypoint,
    loadBalancing,
    ipFamilies: enumValue(ipFamilies, families, 'IP families'),
    isCanonical,
    // An unknown visibility counts as public, as in Istio's ztunnel.
    isPublic: visibility !== 1,
  };
}

const ipFamilies: readonly Service['ipFamilies'][] = ['automatic', 'ipv4', 'ipv6', 'dual'];
const modes: readonly LoadBalancing['mode'][] = ['standard', 'strict', 'failover', 'passthrough'];
const healthPolicies: readonly ('only-healthy' | 'allow-all')[] = ['only-healthy', 'allow-all'];

function readVipInto(reader: WireReader, vips: NetworkAddress[], cidrVips: CidrVip[]): void {
  const { network, bytes, length: sent } = readNetworkAddress(reader);
  const address = ipText(bytes);
  const width = address.includes(':') ? 128 : 32;
  // A v4-mapped address reads as IPv4, and so must its prefix.
  const length = sent !== undefined && bytes.length * 8 > width ? sent - 96 : sent;
  if (length === undefined || length === width) {
    vips.push({ network, address });
  } else if (length >= 0 && length < width) {
    cidrVips.push({ network, address, length });
  } else {
    throw new WorkloadError('WORKLOAD_BAD_ADDRESS', `invalid cidr: ${address}/${sent}`);
  }
}

function readLoadBalancing(reader: WireReader): LoadBalancing {
  const outer = reader.enter();
  const preferences: LoadBalancingScope[] = [];
  let mode = 0;
  let healthPolicy = 0;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x08) {
      preferences.push(enumValue(loadBalancingScopes, reader.varint(), 'load balancing scope'));
    } else if (tag === 0x0a) {
      const packed = reader.enter();
      while (reader.hasMore) {
        preferences.push(enumValue(loadBalancingScopes, reader.varint(), 'load balancing scope'));
      }
      reader.leave(packed);
    } else if (tag === 0x10) {
      mode = reader.varint();
    } else if (tag === 0x18) {
      healthPolicy = reader.varint();
    } else {
      reader.skip(tag);
    }
  }
  reader.leave(outer);
  return {
    mode: enumValue(modes, mode, 'load balancing mode'),
    preferences,
    allowsUnhealthy: enumValue(healthPolicies, healthPolicy, 'health policy') === 'allow-all',
  };
}

function readWeightedWaypoint(reader: WireReader): WeightedWaypoint {
  const outer = reader.enter();
  let destination: GatewayAddress | undefined;
  let weight = 0;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) destination = readGatewayAddress(reader);
    else if (tag === 0x10) weight = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  if (destination === undefined) {
    const message = 'nonempty gateway address is missing address';
    throw new WorkloadError('WORKLOAD_BAD_GATEWAY', message);
  }
  return { destination, weight };
}
