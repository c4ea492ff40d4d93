/**
 * Labels that Telemetry resources add to metrics, or give another value. Values come from requests, so they are cut, and what is
 * over a family's budget of series shares one. Spec: contract l7 7.1.
 */
import { evaluate, type Expression, type ExpressionSource, isLabelName, renderExtraLabels } from '@ambit/telemetry';

import { userExpression } from './user-expression.ts';

/** What of one metric's labels is said by expressions; positions in `TagPlan.expressions`. */
interface MetricTags {
  /** By the standard label whose value they are. */
  readonly changed: ReadonlyMap<string, number>;
  readonly added: readonly (readonly [name: string, position: number])[];
}

export interface TagPlan {
  readonly expressions: readonly Expression[];
  readonly byMetric: ReadonlyMap<string, MetricTags>;
}

/** Of one metric: what a label's value is said by, by label; standard ones among them. */
export type TagTexts = ReadonlyMap<string, string>;

/** Istio: what cannot be told. */
const unknown = 'unknown';
const maxValueChars = 256;
/** Of one metric: the control plane refuses what is over. */
const maxAdded = 16;

/** Undefined when no metric has any. Texts that are no expressions or names are left out: the control plane has told of them. */
export function tagPlan(
  byMetric: ReadonlyMap<string, TagTexts>,
  standardOf: (metric: string) => readonly string[],
): TagPlan | undefined {
  const expressions: Expression[] = [];
  const positions = new Map<string, number>();
  const positionOf = (text: string): number | undefined => {
    const known = positions.get(text);
    if (known !== undefined) return known;
    const expression = userExpression(text);
    if (expression === undefined) return undefined;
    positions.set(text, expressions.length);
    return expressions.push(expression) - 1;
  };
  const plans = new Map<string, MetricTags>();
  for (const [metric, texts] of byMetric) {
    const changed = new Map<string, number>();
    const added: [string, number][] = [];
    for (const [label, text] of [...texts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const position = positionOf(text);
      if (position === undefined) continue;
      if (standardOf(metric).includes(label)) changed.set(label, position);
      else if (isLabelName(label) && added.length < maxAdded) added.push([label, position]);
    }
    if (changed.size + added.length > 0) plans.set(metric, { changed, added });
  }
  return plans.size === 0 ? undefined : { expressions, byMetric: plans };
}

/** Values of all expressions for one request. */
export function tagValues({ expressions }: TagPlan, source: ExpressionSource): readonly string[] {
  return expressions.map((expression) => {
    const value = evaluate(expression, source);
    // A NUL would tell the parts of a key apart.
    return value === undefined ? unknown : String(value).slice(0, maxValueChars).replaceAll('\0', '');
  });
}

/** Puts values into a metric's standard labels, and gives the text of those that are added. */
export function applyTags(
  plan: TagPlan | undefined,
  metric: string,
  values: readonly string[],
  names: readonly string[],
  labels: string[],
): string {
  const tags = plan?.byMetric.get(metric);
  if (tags === undefined) return '';
  for (const [label, position] of tags.changed) labels[names.indexOf(label)] = values[position] ?? unknown;
  return renderExtraLabels(tags.added.map(([name, position]) => [name, values[position] ?? unknown]));
}
