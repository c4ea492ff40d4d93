import { isIpLiteral } from '../ip-literal.ts';
import type { Location } from '../location.ts';
import type { Labels, ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';

export interface ServicePort {
  readonly name: string | undefined;
  readonly port: number;
  /** A number, the name of a container port, or undefined for "same as port". */
  readonly targetPort: number | string | undefined;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol: string | undefined;
}

const serviceTypes = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const;
const families = ['IPv4', 'IPv6'] as const;

/** A Kubernetes Service. */
export interface Service extends ResourceBase<'Service'> {
  readonly spec: {
    readonly type: (typeof serviceTypes)[number];
    /** As written; `None` marks a headless service. Empty when nothing was allocated yet. */
    readonly clusterIPs: readonly string[];
    readonly ipFamilies: readonly (typeof families)[number][];
    readonly selector: Labels;
    readonly ports: readonly ServicePort[];
    readonly publishNotReadyAddresses: boolean;
    readonly internalTrafficPolicy: 'Cluster' | 'Local';
    readonly trafficDistribution: string | undefined;
  };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

const otherSpecFields =
  `allocateLoadBalancerNodePorts externalIPs externalName externalTrafficPolicy healthCheckNodePort
  ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges sessionAffinity sessionAffinityConfig`.split(
    /\s+/,
  );

export function readService(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Service {
  const spec = reader.requiredObject('spec', readSpec);
  const status = { conditions: readConditions(reader, 'loadBalancer') };
  return { kind: 'Service', metadata, origin, spec: spec ?? emptySpec, status };
}

const emptySpec: Service['spec'] = {
  type: 'ClusterIP',
  clusterIPs: [],
  ipFamilies: [],
  selector: {},
  ports: [],
  publishNotReadyAddresses: false,
  internalTrafficPolicy: 'Cluster',
  trafficDistribution: undefined,
};

function readSpec(reader: ObjectReader): Service['spec'] {
  reader.ignore(...otherSpecFields);
  return {
    type: reader.choice('type', serviceTypes) ?? 'ClusterIP',
    clusterIPs: readClusterIps(reader),
    ipFamilies: readFamilies(reader),
    selector: reader.stringMap('selector'),
    ports: reader.objects('ports', readPort),
    publishNotReadyAddresses: reader.boolean('publishNotReadyAddresses') ?? false,
    internalTrafficPolicy: reader.choice('internalTrafficPolicy', ['Cluster', 'Local']) ?? 'Cluster',
    trafficDistribution: reader.string('trafficDistribution'),
  };
}

function readClusterIps(reader: ObjectReader): readonly string[] {
  const single = reader.string('clusterIP');
  const many = reader.strings('clusterIPs');
  const addresses = many.length > 0 ? many : single === undefined || single === '' ? [] : [single];
  for (const address of addresses) {
    if (address === 'None' || isIpLiteral(address)) continue;
    reader.error(many.length > 0 ? 'clusterIPs' : 'clusterIP', `must be an IP address or None, not "${address}"`);
  }
  return addresses;
}

function readFamilies(reader: ObjectReader): Service['spec']['ipFamilies'] {
  const known: Service['spec']['ipFamilies'][number][] = [];
  for (const text of reader.strings('ipFamilies')) {
    const family = families.find((candidate) => candidate === text);
    if (family === undefined) reader.error('ipFamilies', `must hold IPv4 or IPv6, not "${text}"`);
    else known.push(family);
  }
  return known;
}

function readPort(reader: ObjectReader): ServicePort {
  reader.ignore('nodePort');
  return {
    name: reader.string('name'),
    port: reader.requiredPort('port'),
    targetPort: reader.portOrName('targetPort'),
    protocol: reader.choice('protocol', ['TCP', 'UDP', 'SCTP']) ?? 'TCP',
    appProtocol: reader.string('appProtocol'),
  };
}
