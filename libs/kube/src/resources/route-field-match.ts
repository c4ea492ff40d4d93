import type { ObjectReader } from '../object-reader.ts';

/** A condition on a header or query parameter. `type` is `Exact`, `RegularExpression` or something not known here. */
export interface RouteFieldMatch {
  readonly type: string;
  readonly name: string;
  readonly value: string;
}

/** Reads a list of conditions on headers or query parameters. */
export function readFieldMatches(match: ObjectReader, field: string): readonly RouteFieldMatch[] {
  return match.objects(field, (condition) => ({
    type: condition.string('type') ?? 'Exact',
    name: condition.requiredString('name'),
    value: condition.string('value') ?? '',
  }));
}
