/**
 * The JSON schema of a chart's values, from the values themselves: a misspelt name or a text in place of a number is
 * refused by Helm before anything is rendered. Pure.
 */
import { choicesOf, type ChartValue } from './chart-values.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Values whose content is Kubernetes' own and is checked by its API server. */
const KUBERNETES_OBJECTS = new Set(['resources', 'updateStrategy', 'affinity', 'seLinuxOptions']);
const KUBERNETES_LISTS = new Set(['tolerations', 'enablementSelectors']);
/** From names to texts that the user chooses. */
const TEXT_MAPS = new Set(['nodeSelector', 'podAnnotations', 'podLabels']);

export interface SchemaOptions {
  readonly title: string;
  /** What is set for all charts; every chart accepts all of it, as Helm hands all of it to each. */
  readonly global: readonly ChartValue[];
  /** Names of the charts inside, whose values their own schemas check. */
  readonly charts: readonly string[];
}

export function valuesSchema(values: readonly ChartValue[], options: SchemaOptions): JsonSchema {
  const own = values.filter(({ name }) => name !== 'global' && !options.charts.includes(name));
  const properties = Object.fromEntries(own.map((value) => [value.name, schemaOf(value)]));
  const inner = Object.fromEntries(options.charts.map((name) => [name, { type: 'object' }]));
  return {
    $schema: 'https://json-schema.org/draft-07/schema#',
    title: options.title,
    type: 'object',
    additionalProperties: false,
    properties: {
      ...properties,
      ...inner,
      global: { ...recordSchema(options.global), description: 'What the parts share.' },
    },
  };
}

function schemaOf({ name, about, content }: ChartValue): JsonSchema {
  const description = about === '' ? {} : { description: about };
  switch (content.kind) {
    case 'scalar': {
      const choices = choicesOf(about);
      if (choices !== undefined) return { ...description, type: 'string', enum: choices };
      const { value } = content;
      if (typeof value === 'number') return { ...description, type: 'integer', minimum: 0 };
      return { ...description, type: typeof value === 'boolean' ? 'boolean' : 'string' };
    }
    case 'list':
      return { ...description, type: 'array', items: { type: KUBERNETES_LISTS.has(name) ? 'object' : 'string' } };
    case 'record':
      if (KUBERNETES_OBJECTS.has(name)) return { ...description, type: 'object' };
      if (TEXT_MAPS.has(name)) return { ...description, type: 'object', additionalProperties: { type: 'string' } };
      if (name === 'env') {
        const plain = { type: ['string', 'number', 'boolean'] };
        return { ...description, type: 'object', additionalProperties: plain };
      }
      return { ...description, ...recordSchema(content.values) };
  }
}

function recordSchema(values: readonly ChartValue[]): JsonSchema {
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(values.map((value) => [value.name, schemaOf(value)])),
  };
}
