/** Schemas of event payloads: small, bounded, and the only way from bytes of the bus to a typed record. Pure. */
import { EventError } from './event-error.ts';

/** Reads one value; throws EventError `MALFORMED` naming the field. Unknown fields of records are left out. */
export type Reader<T> = (value: unknown, field: string) => T;
export type Read<R> = R extends Reader<infer T> ? T : never;

/** Text of at most `maxLength` UTF-16 units; default 512. */
export function text(maxLength: number = 512): Reader<string> {
  return (value, field) => {
    if (typeof value !== 'string' || value.length > maxLength) throw malformed(field, `text up to ${maxLength}`);
    return value;
  };
}

/** A finite number. */
export const number: Reader<number> = (value, field) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(field, 'a number');
  return value;
};

export const flag: Reader<boolean> = (value, field) => {
  if (typeof value !== 'boolean') throw malformed(field, 'true or false');
  return value;
};

export function oneOf<const T extends readonly string[]>(...choices: T): Reader<T[number]> {
  return (value, field) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw malformed(field, `one of ${choices.join(', ')}`);
    return found;
  };
}

/** All fields are required: a later version may add fields, never take one away. */
export function record<const F extends Readonly<Record<string, Reader<unknown>>>>(
  fields: F,
): Reader<{ readonly [K in keyof F]: Read<F[K]> }> {
  return (value, field) => {
    if (!isObject(value)) throw malformed(field, 'an object');
    const entries = Object.entries(fields).map(([name, read]) => [name, read(value[name], `${field}.${name}`)]);
    // Each field was read by the reader that its type comes from.
    return Object.fromEntries(entries) as { readonly [K in keyof F]: Read<F[K]> };
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(field: string, expected: string): EventError {
  return new EventError('MALFORMED', `event field ${field}: expected ${expected}`);
}
