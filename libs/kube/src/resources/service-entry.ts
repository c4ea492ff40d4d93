import { isCidrOrIp, isIpLiteral } from '../ip-literal.ts';
import type { Location } from '../location.ts';
import type { Labels, ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readConditionList, type StatusCondition } from './status-condition.ts';
import { readWorkloadEntrySpec, type WorkloadEntrySpec } from './workload-entry.ts';

export const serviceEntryResolutions = ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'] as const;
export type ServiceEntryResolution = (typeof serviceEntryResolutions)[number];

export interface ServiceEntryPort {
  readonly number: number;
  readonly name: string;
  readonly protocol: string | undefined;
  readonly targetPort: number | undefined;
}

/** An address that was allocated to one host of a ServiceEntry. */
export interface AllocatedAddress {
  readonly value: string;
  readonly host: string;
}

/** A service the registry of Kubernetes does not know. */
export interface ServiceEntry extends ResourceBase<'ServiceEntry'> {
  readonly spec: {
    readonly hosts: readonly string[];
    /** Addresses or prefixes in CIDR notation. */
    readonly addresses: readonly string[];
    readonly ports: readonly ServiceEntryPort[];
    readonly resolution: ServiceEntryResolution;
    readonly endpoints: readonly WorkloadEntrySpec[];
    /** Undefined when there is none; pods and workload entries of the namespace with these labels are endpoints. */
    readonly workloadSelector: Labels | undefined;
    readonly subjectAltNames: readonly string[];
  };
  readonly status: { readonly addresses: readonly AllocatedAddress[]; readonly conditions: readonly StatusCondition[] };
}

const hostName = /^(\*\.)?[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*\.?$/;

export function readServiceEntry(reader: ObjectReader, metadata: ObjectMeta, origin: Location): ServiceEntry {
  const spec = reader.requiredObject('spec', readSpec);
  const status = reader.object('status', (body) => {
    body.ignore('validationMessages', 'observedGeneration');
    const addresses = body.objects('addresses', (address) => ({
      value: address.requiredString('value'),
      host: address.string('host') ?? '',
    }));
    return { addresses, conditions: readConditionList(body) };
  });
  return {
    kind: 'ServiceEntry',
    metadata,
    origin,
    spec: spec ?? emptySpec,
    status: status ?? { addresses: [], conditions: [] },
  };
}

const emptySpec: ServiceEntry['spec'] = {
  hosts: [],
  addresses: [],
  ports: [],
  resolution: 'NONE',
  endpoints: [],
  workloadSelector: undefined,
  subjectAltNames: [],
};

function readSpec(reader: ObjectReader): ServiceEntry['spec'] {
  reader.ignore('location', 'exportTo');
  const spec: ServiceEntry['spec'] = {
    hosts: reader.strings('hosts'),
    addresses: reader.strings('addresses'),
    ports: reader.objects('ports', readPort),
    resolution: reader.choice('resolution', serviceEntryResolutions) ?? 'NONE',
    endpoints: reader.objects('endpoints', readWorkloadEntrySpec),
    workloadSelector: reader.object('workloadSelector', (selector) => selector.stringMap('labels')),
    subjectAltNames: reader.strings('subjectAltNames'),
  };
  checkSpec(reader, spec);
  return spec;
}

function readPort(reader: ObjectReader): ServiceEntryPort {
  return {
    number: reader.requiredPort('number'),
    name: reader.requiredString('name'),
    protocol: reader.string('protocol'),
    targetPort: reader.port('targetPort'),
  };
}

/** Istio: pkg/config/validation, ValidateServiceEntry (the rules that matter in ambient mode). */
function checkSpec(reader: ObjectReader, spec: ServiceEntry['spec']): void {
  if (spec.hosts.length === 0) reader.error('hosts', 'is required: at least one host name');
  for (const host of spec.hosts) {
    if (!hostName.test(host) || isIpLiteral(host)) reader.error('hosts', `holds "${host}", which is not a host name`);
  }
  for (const address of spec.addresses) {
    if (!isCidrOrIp(address))
      reader.error('addresses', `holds "${address}", which is neither an IP address nor a CIDR prefix`);
  }
  if (spec.endpoints.length > 0 && spec.workloadSelector !== undefined) {
    reader.error('endpoints', 'cannot be combined with workloadSelector; keep one of the two');
  }
  if (spec.resolution === 'NONE' && spec.endpoints.length > 0) {
    reader.error('endpoints', 'cannot be used with resolution NONE; use resolution STATIC');
  }
  if (spec.resolution === 'STATIC') {
    for (const endpoint of spec.endpoints) {
      if (endpoint.address === '' || isIpLiteral(endpoint.address)) continue;
      reader.error(
        'endpoints',
        `holds "${endpoint.address}", but resolution STATIC needs IP addresses; use resolution DNS`,
      );
    }
  }
}
