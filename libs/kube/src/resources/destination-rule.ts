import type { Location } from '../location.ts';
import type { Labels, ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';
import { readTrafficPolicy, type TrafficPolicySpec } from './traffic-policy.ts';

/** Endpoints that carry certain labels, with a policy of their own. */
export interface SubsetSpec {
  readonly name: string;
  readonly labels: Labels;
  readonly policy: TrafficPolicySpec | undefined;
}

/** How endpoints of hosts are used. */
export interface DestinationRule extends ResourceBase<'DestinationRule'> {
  readonly spec: {
    readonly host: string;
    readonly policy: TrafficPolicySpec | undefined;
    readonly subsets: readonly SubsetSpec[];
    /** Empty means everywhere. */
    readonly exportTo: readonly string[];
    /** Undefined: for every proxy. */
    readonly workloadSelector: Labels | undefined;
  };
  /** Fields that are set and have no effect. */
  readonly unhonoured: readonly string[];
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readDestinationRule(reader: ObjectReader, metadata: ObjectMeta, origin: Location): DestinationRule {
  const spec = reader.requiredObject('spec', (body) => ({
    host: body.requiredString('host'),
    policy: readTrafficPolicy(body),
    subsets: body.objects('subsets', (subset) => ({
      name: subset.requiredString('name'),
      labels: subset.stringMap('labels'),
      policy: readTrafficPolicy(subset),
    })),
    exportTo: body.strings('exportTo'),
    workloadSelector: body.object('workloadSelector', (selector) => selector.stringMap('matchLabels')),
  }));
  return {
    kind: 'DestinationRule',
    metadata,
    origin,
    spec: spec ?? { host: '', policy: undefined, subsets: [], exportTo: [], workloadSelector: undefined },
    unhonoured: reader.unhonoured,
    status: { conditions: readConditions(reader) },
  };
}
