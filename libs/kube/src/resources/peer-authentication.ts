import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';
import { readSelector, type WorkloadSelector } from './workload-selector.ts';

export const mutualTlsModes = ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'] as const;
export type MutualTlsMode = (typeof mutualTlsModes)[number];

/** Whether workloads insist on an authenticated peer. */
export interface PeerAuthentication extends ResourceBase<'PeerAuthentication'> {
  readonly spec: {
    readonly selector: WorkloadSelector | undefined;
    readonly mode: MutualTlsMode;
    /** By port of the pod, in ascending order. */
    readonly portLevel: readonly { readonly port: number; readonly mode: MutualTlsMode }[];
  };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readPeerAuthentication(
  reader: ObjectReader,
  metadata: ObjectMeta,
  origin: Location,
): PeerAuthentication {
  const spec = reader.object('spec', readSpec);
  return {
    kind: 'PeerAuthentication',
    metadata,
    origin,
    spec: spec ?? { selector: undefined, mode: 'UNSET', portLevel: [] },
    status: { conditions: readConditions(reader) },
  };
}

function readSpec(reader: ObjectReader): PeerAuthentication['spec'] {
  const selector = readSelector(reader);
  const portLevel = reader.objectMap('portLevelMtls', (entry, key) => {
    const port = /^\d{1,5}$/.test(key) ? Number(key) : 0;
    if (port < 1 || port > 65535) entry.error('', 'must be keyed by a port number from 1 to 65535');
    return { port, mode: entry.choice('mode', mutualTlsModes) ?? 'UNSET' };
  });
  if (portLevel.length > 0 && selector === undefined) {
    reader.error('portLevelMtls', 'needs a selector; port modes apply to selected workloads only');
  }
  return {
    selector,
    mode: reader.object('mtls', (mtls) => mtls.choice('mode', mutualTlsModes)) ?? 'UNSET',
    portLevel: portLevel.toSorted((a, b) => a.port - b.port),
  };
}
