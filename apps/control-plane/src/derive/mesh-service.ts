import { workload } from '@ambit/api';
import type { Labels, Location } from '@ambit/kube';
import { toBinary, create } from '@bufbuild/protobuf';
import type { Age } from './age-order.ts';
import type { PortProtocol } from './port-protocol.ts';
import type { Waypoint } from './waypoint.ts';

/** A port of a service, with what is needed to find the port behind it on one workload. */
export interface MeshPort {
  readonly name: string | undefined;
  readonly servicePort: number;
  /** A number, or the name of a container port. */
  readonly target: number | string;
  /** How its bytes are read by a proxy that looks at them. */
  readonly protocol: PortProtocol;
}

/** A definition of a host name in a namespace; of several only one counts (see `service-collections.ts`). */
export interface ServiceCandidate extends Age {
  readonly source: 'Service' | 'ServiceEntry';
  readonly hostname: string;
  /** Empty means that nothing is selected by labels. */
  readonly selector: Labels;
  readonly ports: readonly MeshPort[];
  /** The waypoint it is bound to. */
  readonly waypoint: Waypoint | undefined;
  /** A second waypoint that takes a share. */
  readonly canary: Waypoint | undefined;
  /** Its workloads refuse who has gone past these waypoints. */
  readonly isClosed: boolean;
  /** Without `canonical`, which depends on the other definitions. */
  readonly message: workload.Service;
  readonly origin: Location;
}

/** A service as it is sent. */
export interface MeshService {
  /** `namespace/hostname`: resource name, and key in the `services` of workloads. */
  readonly key: string;
  readonly candidate: ServiceCandidate;
  readonly message: workload.Service;
  /** The encoded Address. */
  readonly bytes: Uint8Array;
}

export function serviceKey(candidate: Pick<ServiceCandidate, 'namespace' | 'hostname'>): string {
  return `${candidate.namespace}/${candidate.hostname}`;
}

/** Key of a candidate among all candidates. */
export function candidateKey(candidate: ServiceCandidate): string {
  return `${candidate.source}/${candidate.namespace}/${candidate.name}/${candidate.hostname}`;
}

export function meshService(candidate: ServiceCandidate, canonical: boolean): MeshService {
  const message = { ...candidate.message, canonical };
  const address = create(workload.AddressSchema, { type: { case: 'service', value: message } });
  return { key: serviceKey(candidate), candidate, message, bytes: toBinary(workload.AddressSchema, address) };
}
