import type { LogConstants, LogOperator } from './log-operator.ts';
import { parseLogFormat } from './parse-log-format.ts';

/** A part of a JSON line. */
export type JsonNode =
  | { readonly kind: 'constant'; readonly json: string }
  | { readonly kind: 'value'; readonly operators: readonly LogOperator[] }
  | { readonly kind: 'object'; readonly fields: JsonFields }
  | { readonly kind: 'list'; readonly items: readonly JsonNode[] };

export type JsonFields = readonly (readonly [name: string, node: JsonNode])[];

const maxNodes = 512;
const maxDepth = 8;

/**
 * Takes apart the fields of a line: texts are formats, everything else stands as it is. `unknown`: operators that are not known.
 * Throws RangeError for more than a line should hold.
 */
export function parseJsonFields(
  fields: Readonly<Record<string, unknown>>,
  constants: LogConstants | undefined,
): { readonly fields: JsonFields; readonly unknown: readonly string[] } {
  const unknown: string[] = [];
  let nodes = 0;
  const objectOf = (value: object, depth: number): JsonFields =>
    Object.entries(value).map(([name, item]: [string, unknown]) => [name, nodeOf(item, depth + 1)] as const);
  const nodeOf = (value: unknown, depth: number): JsonNode => {
    nodes += 1;
    if (nodes > maxNodes || depth > maxDepth)
      throw new RangeError(`a log format of more than ${maxNodes} fields, or ${maxDepth} within each other`);
    if (typeof value === 'string') {
      const parsed = parseLogFormat(value, constants);
      unknown.push(...parsed.unknown);
      return { kind: 'value', operators: parsed.operators };
    }
    if (Array.isArray(value)) return { kind: 'list', items: value.map((item: unknown) => nodeOf(item, depth + 1)) };
    if (typeof value === 'object' && value !== null) return { kind: 'object', fields: objectOf(value, depth) };
    return { kind: 'constant', json: JSON.stringify(value ?? null) };
  };
  return { fields: objectOf(fields, 0), unknown };
}
