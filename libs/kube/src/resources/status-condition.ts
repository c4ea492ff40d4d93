import type { ObjectReader } from '../object-reader.ts';

/** One entry of `status.conditions`, as some controller wrote it. */
export interface StatusCondition {
  readonly type: string;
  /** `True`, `False` or `Unknown`. */
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number | undefined;
  /** RFC 3339. */
  readonly lastTransitionTime: string | undefined;
}

/** Reads `status.conditions` of an object. Other fields of the status are for other readers. */
export function readConditions(object: ObjectReader, ...otherFields: readonly string[]): readonly StatusCondition[] {
  const conditions = object.object('status', (status) => {
    status.ignore('observedGeneration', 'validationMessages', ...otherFields);
    return readConditionList(status);
  });
  return conditions ?? [];
}

/** Reads the field `conditions` of a status. */
export function readConditionList(status: ObjectReader): readonly StatusCondition[] {
  return status.objects('conditions', (condition) => {
    condition.ignore('lastProbeTime');
    return {
      type: condition.requiredString('type'),
      status: condition.string('status') ?? 'Unknown',
      reason: condition.string('reason') ?? '',
      message: condition.string('message') ?? '',
      observedGeneration: readGeneration(condition, 'observedGeneration'),
      lastTransitionTime: condition.string('lastTransitionTime'),
    };
  });
}

/** Reads a generation: Kubernetes writes a number, Istio's CRDs serialise 64-bit integers as text. */
export function readGeneration(reader: ObjectReader, name: string): number | undefined {
  const text = reader.integerOrText(name);
  const value = typeof text === 'string' ? Number(text) : text;
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
