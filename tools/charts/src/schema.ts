/** A few words to write OpenAPI schemas with, as CustomResourceDefinitions need them. Pure. */

/** An OpenAPI v3 schema in the structural form that the API server asks for. */
export interface Schema {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly [key: string]: unknown;
}

export const text: Schema = { type: 'string' };
export const flag: Schema = { type: 'boolean' };
/** A flag of which null says: not decided here. */
export const optionalFlag: Schema = { type: 'boolean', nullable: true };
export const count: Schema = { type: 'integer', minimum: 0, maximum: 4_294_967_295 };
export const optionalCount: Schema = { ...count, nullable: true };
export const whole: Schema = { type: 'integer', format: 'int32' };
export const share: Schema = { type: 'number', format: 'double', minimum: 0, maximum: 100, nullable: true };
export const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
/**
 * `1.5s`, `2h30m`. A pattern rather than a rule in CEL: the API server adds up what rules may cost, and DestinationRule
 * has this in lists of lists.
 */
export const time: Schema = { type: 'string', pattern: '^([0-9]+([.][0-9]+)?(h|m|s|ms|us|µs|ns))+$' };

export function oneOf(...values: readonly string[]): Schema {
  return { type: 'string', enum: values };
}

export function list(items: Schema, maxItems?: number): Schema {
  return { type: 'array', items, ...(maxItems === undefined ? {} : { maxItems }) };
}

export const texts: Schema = list(text);

/** From any text to values of one kind. */
export function map(values: Schema, maxProperties?: number): Schema {
  return {
    type: 'object',
    additionalProperties: values,
    ...(maxProperties === undefined ? {} : { maxProperties }),
  };
}

/** A condition in CEL that values have to meet, and what to tell who wrote one that does not. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
}

/** A record; `required` names the fields that must be there. */
export function record(
  properties: Readonly<Record<string, Schema>>,
  options: { readonly required?: readonly string[]; readonly rules?: readonly Rule[] } = {},
): Schema {
  return {
    type: 'object',
    properties,
    ...(options.required === undefined ? {} : { required: options.required }),
    ...(options.rules === undefined ? {} : { 'x-kubernetes-validations': options.rules }),
  };
}

/** A record of which at most one field may be set. */
export function choice(
  properties: Readonly<Record<string, Schema>>,
  among: readonly string[] = Object.keys(properties),
): Schema {
  const rule = `${among.map((name) => `(has(self.${name}) ? 1 : 0)`).join(' + ')} <= 1`;
  return record(properties, { rules: [{ rule, message: `only one of ${among.join(', ')} may be set` }] });
}

/** The same schema with something to read for `kubectl explain`. */
export function described(schema: Schema, description: string): Schema {
  return { ...schema, description };
}
