import type { ObjectReader } from '../object-reader.ts';

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 0.000_001,
};
const wholeText =
  /^\+?(?:0|(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|ns)(?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|ns))*)$/;
const part = /(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/g;

/**
 * Reads a duration as Go writes it (`1h30m`, `500ms`, `0.5s`), in milliseconds. The Gateway API's form (GEP-2257) is a
 * part of it.
 */
export function readDuration(reader: ObjectReader, name: string): number | undefined {
  const text = reader.string(name);
  if (text === undefined) return undefined;
  if (text.length > 64 || !wholeText.test(text)) {
    reader.error(name, `must be a duration such as 500ms, 10s or 1h30m, not "${text}"`);
    return undefined;
  }
  let total = 0;
  for (const [, digits = '0', unit = 's'] of text.matchAll(part)) total += Number(digits) * (unitMs[unit] ?? 0);
  return total;
}
