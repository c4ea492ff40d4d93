import { isIpLiteral } from '../ip-literal.ts';
import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

export interface TargetReference {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string | undefined;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  /** Undefined counts as ready. */
  readonly isReady: boolean | undefined;
  readonly targetRef: TargetReference | undefined;
  readonly nodeName: string | undefined;
}

export interface SlicePort {
  readonly name: string;
  readonly port: number | undefined;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

/** A slice of the endpoints of one service (label `kubernetes.io/service-name`). */
export interface EndpointSlice extends ResourceBase<'EndpointSlice'> {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

export function readEndpointSlice(reader: ObjectReader, metadata: ObjectMeta, origin: Location): EndpointSlice {
  const addressType = reader.choice('addressType', ['IPv4', 'IPv6', 'FQDN']);
  if (addressType === undefined && !reader.has('addressType'))
    reader.error('addressType', 'is required: IPv4, IPv6 or FQDN');
  return {
    kind: 'EndpointSlice',
    metadata,
    origin,
    addressType: addressType ?? 'IPv4',
    endpoints: reader.objects('endpoints', (endpoint) => readEndpoint(endpoint, addressType !== 'FQDN')),
    ports: reader.objects('ports', (port) => {
      port.ignore('appProtocol');
      return {
        name: port.string('name') ?? '',
        port: port.port('port'),
        protocol: port.choice('protocol', ['TCP', 'UDP', 'SCTP']) ?? 'TCP',
      };
    }),
  };
}

function readEndpoint(reader: ObjectReader, wantsIps: boolean): SliceEndpoint {
  reader.ignore('hostname', 'zone', 'hints', 'deprecatedTopology');
  const addresses = reader.strings('addresses');
  for (const address of addresses) {
    if (wantsIps && !isIpLiteral(address)) reader.error('addresses', `holds "${address}", which is not an IP address`);
  }
  const isReady = reader.object('conditions', (conditions) => {
    conditions.ignore('serving', 'terminating');
    return { value: conditions.boolean('ready') };
  });
  return {
    addresses,
    isReady: isReady?.value,
    targetRef: reader.object('targetRef', (target) => {
      target.ignore('apiVersion', 'resourceVersion', 'fieldPath');
      return {
        kind: target.requiredString('kind'),
        namespace: target.string('namespace'),
        name: target.requiredString('name'),
        uid: target.string('uid'),
      };
    }),
    nodeName: reader.string('nodeName'),
  };
}
