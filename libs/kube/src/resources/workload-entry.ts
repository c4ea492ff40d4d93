import type { Location } from '../location.ts';
import type { Labels, ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';

/** A workload outside Kubernetes; also the shape of an endpoint written inside a ServiceEntry. */
export interface WorkloadEntrySpec {
  /** An IP address or a host name; empty in an endpoint that is reachable through its network's gateway only. */
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Labels;
  readonly network: string | undefined;
  /** `region/zone/subzone`. */
  readonly locality: string | undefined;
  readonly weight: number | undefined;
  readonly serviceAccount: string | undefined;
}

export interface WorkloadEntry extends ResourceBase<'WorkloadEntry'> {
  readonly spec: WorkloadEntrySpec;
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readWorkloadEntry(reader: ObjectReader, metadata: ObjectMeta, origin: Location): WorkloadEntry {
  const spec = reader.requiredObject('spec', readWorkloadEntrySpec);
  const status = { conditions: readConditions(reader) };
  return { kind: 'WorkloadEntry', metadata, origin, spec: spec ?? emptySpec, status };
}

const emptySpec: WorkloadEntrySpec = {
  address: '',
  ports: {},
  labels: {},
  network: undefined,
  locality: undefined,
  weight: undefined,
  serviceAccount: undefined,
};

/** Reads the spec of a WorkloadEntry or one of `ServiceEntry.spec.endpoints`. */
export function readWorkloadEntrySpec(reader: ObjectReader): WorkloadEntrySpec {
  const spec: WorkloadEntrySpec = {
    address: reader.string('address') ?? '',
    ports: reader.portMap('ports'),
    labels: reader.stringMap('labels'),
    network: reader.string('network'),
    locality: reader.string('locality'),
    weight: reader.integer('weight', 0, 0xffff_ffff),
    serviceAccount: reader.string('serviceAccount'),
  };
  if (spec.address === '' && spec.network === undefined)
    reader.error('address', 'is required unless a network is given');
  if (spec.address.startsWith('unix://'))
    reader.error('address', 'cannot be a unix socket in ambient mode; use an IP address or host name');
  return spec;
}
