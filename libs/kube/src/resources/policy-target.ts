import type { ObjectReader } from '../object-reader.ts';
import { gatewayGroup } from './parent-ref.ts';

/** What a policy of a waypoint or gateway is attached to. */
export interface PolicyTarget {
  /** As written; empty for the core group. */
  readonly group: string;
  /** With its group, as `Gateway.example.org`, where that is not the group that the kind is of: nothing we know is meant then. */
  readonly kind: string;
  readonly name: string;
  /** Only of use to say that it cannot be crossed: a target is in the policy's own namespace. */
  readonly namespace: string | undefined;
}

/** Groups of the kinds that something can be attached to. */
const groups: ReadonlyMap<string, string> = new Map([
  ['Service', ''],
  ['ServiceEntry', 'networking.istio.io'],
  ['Gateway', gatewayGroup],
  ['GatewayClass', gatewayGroup],
  ['HTTPRoute', gatewayGroup],
  ['GRPCRoute', gatewayGroup],
]);

/** The group that a kind is of; undefined for a kind that nothing can be attached to. */
export function groupOfTarget(kind: string): string | undefined {
  return groups.get(kind);
}

/** False where a reference means a kind of the same name in another group. `core` is another word for no group. */
export function isOfItsGroup({ group, kind }: { readonly group: string; readonly kind: string }): boolean {
  return (groups.get(kind) ?? group) === (group === 'core' ? '' : group);
}

/** Reads `targetRef` and `targetRefs` of a policy's spec. */
export function readTargets(spec: ObjectReader): readonly PolicyTarget[] {
  const single = spec.object('targetRef', readTarget);
  return [...(single === undefined ? [] : [single]), ...spec.objects('targetRefs', readTarget)];
}

function readTarget(reader: ObjectReader): PolicyTarget {
  reader.ignore('sectionName');
  const group = reader.string('group') ?? '';
  const kind = reader.requiredString('kind');
  return {
    group,
    kind: isOfItsGroup({ group, kind }) ? kind : `${kind}.${group === '' ? 'core' : group}`,
    name: reader.requiredString('name'),
    namespace: reader.string('namespace'),
  };
}
