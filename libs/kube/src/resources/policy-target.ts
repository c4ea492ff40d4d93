import type { ObjectReader } from '../object-reader.ts';

/** What a policy of a waypoint or gateway is attached to. */
export interface PolicyTarget {
  /** Empty for the core group. */
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  /** Only of use to say that it cannot be crossed: a target is in the policy's own namespace. */
  readonly namespace: string | undefined;
}

/** Reads `targetRef` and `targetRefs` of a policy's spec. */
export function readTargets(spec: ObjectReader): readonly PolicyTarget[] {
  const single = spec.object('targetRef', readTarget);
  return [...(single === undefined ? [] : [single]), ...spec.objects('targetRefs', readTarget)];
}

function readTarget(reader: ObjectReader): PolicyTarget {
  reader.ignore('sectionName');
  return {
    group: reader.string('group') ?? '',
    kind: reader.requiredString('kind'),
    name: reader.requiredString('name'),
    namespace: reader.string('namespace'),
  };
}
