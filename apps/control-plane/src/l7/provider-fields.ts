/** Fields of a JSON object of the mesh configuration. All throw with what is wrong, and where. */
import { isPlainObject } from '@ambit/kube';

export type Fields = Readonly<Record<string, unknown>>;

export function millisecondsAt(fields: Fields, name: string, place: string, fallback: string): number {
  const text = textAt(fields, name, place, fallback);
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (digits === undefined) throw new Error(`${place}.${name} must be a duration such as 500ms or 5s`);
  return Number(digits) * (unit === 'ms' ? 1 : unit === 's' ? 1_000 : unit === 'm' ? 60_000 : 3_600_000);
}

export function textAt(fields: Fields, name: string, place: string, fallback?: string): string {
  const value = fields[name] ?? fallback;
  if (typeof value !== 'string') throw new Error(`${place}.${name} must be a string`);
  return value;
}

export function numberAt(fields: Fields, name: string, place: string, min: number, max: number): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`${place}.${name} must be a whole number from ${min} to ${max}`);
}

export function textsAt(fields: Fields, name: string, place: string): readonly string[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw new Error(`${place}.${name} must be a list of strings`);
  return value.map((item: unknown) => {
    // Envoy refuses a star alone: everything would be sent.
    if (typeof item !== 'string' || item === '*' || item === '')
      throw new Error(`${place}.${name} holds no header name`);
    return item;
  });
}

export function mapAt(fields: Fields, name: string, place: string): Readonly<Record<string, string>> {
  const value = fields[name] ?? {};
  if (!isPlainObject(value)) throw new Error(`${place}.${name} must be a map of strings`);
  return Object.fromEntries(Object.keys(value).map((key) => [key, textAt(value, key, `${place}.${name}`)]));
}
