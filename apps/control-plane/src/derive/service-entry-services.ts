import { workload } from '@ambit/api';
import type { AllocatedAddress, Namespace, ServiceEntry } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { entryProtocol } from './app-protocol.ts';
import { parsePrefix } from './ip-prefix.ts';
import { loadBalancing, trafficDistributionAnnotation } from './load-balancing.ts';
import type { Visibility } from '../mesh-settings.ts';
import type { ServiceCandidate } from './mesh-service.ts';
import { entryPortProtocol } from './port-protocol.ts';
import {
  bindService,
  boundWaypoint,
  type ServiceBinding,
  setBinding,
  type WaypointLookup,
} from './waypoint-binding.ts';

/** True when addresses are to be allocated to a host automatically. Spec: control-plane.md section 3.5. */
export function wantsAllocation(entry: ServiceEntry, host: string): boolean {
  return entry.spec.addresses.length === 0 && usesAllocation(entry, host);
}

function usesAllocation(entry: ServiceEntry, host: string): boolean {
  const { resolution } = entry.spec;
  if (entry.metadata.labels['networking.istio.io/enable-autoallocate-ip'] === 'false') return false;
  return resolution !== 'NONE' && (!host.startsWith('*') || resolution === 'DYNAMIC_DNS');
}

/** The waypoint of a ServiceEntry; see `bindService`. One that has no workloads has none to close. */
export function bindEntry(entry: ServiceEntry, lookup: WaypointLookup, isPrivate: boolean): ServiceBinding {
  const bound = bindService(entry, lookup, isPrivate);
  const { workloadSelector, endpoints } = entry.spec;
  if (workloadSelector !== undefined || endpoints.length > 0) return bound;
  return { ...bound, closedBy: undefined, isPastAllowed: false };
}

/**
 * The services of a ServiceEntry, one per host. `allocated` are addresses handed out here; addresses in the entry's own
 * status come first. Spec: control-plane.md section 3.5.
 */
export function serviceEntryServices(
  entry: ServiceEntry,
  allocated: readonly AllocatedAddress[],
  namespace: Namespace | undefined,
  network: string,
  binding: ServiceBinding,
  visibility: Exclude<Visibility, 'NONE'>,
): readonly ServiceCandidate[] {
  const { metadata, spec } = entry;
  const { NAMESPACE, PUBLIC } = workload.Service_Visibility;
  const hosts = [...new Set(spec.hosts)];
  return hosts.map((host) => {
    const message = create(workload.ServiceSchema, {
      name: metadata.name,
      namespace: metadata.namespace,
      hostname: host,
      addresses: hostAddresses(entry, host, allocated, network),
      ports: spec.ports.map((port) => ({
        servicePort: port.number,
        targetPort: port.targetPort ?? port.number,
        appProtocol: entryProtocol(port.protocol),
      })),
      subjectAltNames: [...spec.subjectAltNames],
      ipFamilies: workload.IPFamilies.AUTOMATIC,
      visibility: visibility === 'NAMESPACE' ? NAMESPACE : PUBLIC,
    });
    const balancing = loadBalancing({
      isNodeLocal: false,
      trafficDistribution:
        metadata.annotations[trafficDistributionAnnotation] ??
        namespace?.metadata.annotations[trafficDistributionAnnotation],
      allowsUnhealthy: false,
      isPassthrough: spec.resolution === 'NONE',
    });
    if (balancing !== undefined) message.loadBalancing = balancing;
    setBinding(message, binding);
    return {
      source: 'ServiceEntry',
      namespace: metadata.namespace,
      name: metadata.name,
      creationTimestamp: metadata.creationTimestamp,
      hostname: host,
      selector: spec.workloadSelector ?? {},
      ports: spec.ports.map((port) => ({
        name: port.name,
        servicePort: port.number,
        target: port.targetPort ?? port.number,
        protocol: entryPortProtocol(port.protocol, port.number),
      })),
      waypoint: boundWaypoint(binding.binding),
      canary: binding.canary?.waypoint,
      isClosed: binding.closedBy !== undefined,
      message,
      origin: entry.origin,
    };
  });
}

function hostAddresses(
  entry: ServiceEntry,
  host: string,
  allocated: readonly AllocatedAddress[],
  network: string,
): workload.NetworkAddress[] {
  const written = entry.spec.addresses;
  const ofHost = (addresses: readonly AllocatedAddress[]): readonly string[] =>
    addresses.filter((address) => address.host === host).map((address) => address.value);
  let texts = written;
  if (written.length === 0) {
    const stated = ofHost(entry.status.addresses);
    texts = !usesAllocation(entry, host) ? [] : stated.length > 0 ? stated : ofHost(allocated);
  }
  return texts.flatMap((text) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) return [];
    const isHost = prefix.length === prefix.bytes.length * 8;
    return [
      create(workload.NetworkAddressSchema, {
        network,
        address: prefix.bytes,
        ...(isHost ? {} : { length: prefix.length }),
      }),
    ];
  });
}
