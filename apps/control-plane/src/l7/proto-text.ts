/** Small values of the contract, made from those of resources. */
import { route } from '@ambit/api';
import type { HeaderChanges, HeaderOperation, TextCondition } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { DurationSchema } from '@bufbuild/protobuf/wkt';

/** Milliseconds as a duration. */
export function duration(ms: number): MessageInitShape<typeof DurationSchema> {
  const nanos = Math.round(ms * 1_000_000);
  return { seconds: BigInt(Math.floor(nanos / 1_000_000_000)), nanos: nanos % 1_000_000_000 };
}

/** A header edit list; undefined when it changes nothing. Names in lower case: they are compared so. */
export function headerEdits(
  changes: readonly (HeaderChanges | HeaderOperation | undefined)[],
): route.HeaderEdits | undefined {
  const set = new Map<string, string>();
  const add: { name: string; value: string }[] = [];
  const remove: string[] = [];
  for (const change of changes) {
    if (change === undefined) continue;
    for (const [name, value] of pairs(change.set)) set.set(name, value);
    for (const [name, value] of pairs(change.add)) add.push({ name, value });
    remove.push(...change.remove.map((name) => name.toLowerCase()));
  }
  if (set.size + add.length + remove.length === 0) return undefined;
  return create(route.HeaderEditsSchema, { set: Object.fromEntries(set), add, remove });
}

function pairs(
  values: HeaderChanges['set'] | HeaderOperation['set'],
): readonly (readonly [name: string, value: string])[] {
  if (isList(values)) return values.map(({ name, value }) => [name.toLowerCase(), value]);
  return Object.entries(values).map(([name, value]) => [name.toLowerCase(), value]);
}

function isList(values: HeaderChanges['set'] | HeaderOperation['set']): values is HeaderChanges['set'] {
  return Array.isArray(values);
}

/** A condition on a text. `*` as an expression means that there is a value, as in Istio. */
export function textMatch(condition: TextCondition): MessageInitShape<typeof route.TextMatchSchema> {
  if (condition.kind === 'present' || (condition.kind === 'regex' && condition.value === '*')) {
    return { kind: { case: 'present', value: true } };
  }
  return { kind: { case: condition.kind, value: condition.value } };
}
