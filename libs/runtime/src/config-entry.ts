/** Makers of the entries of a table of settings: each knows how a kind of value is written in the environment. */
import { formatDurationMs, parseDurationMs } from './duration.ts';

/** One setting. `format` is the way back: text that `parse` takes, or JSON where that says more. */
export interface ConfigEntry<T> {
  /** Names in order of precedence; the first that is set wins. */
  readonly env: string | readonly string[];
  readonly describe: string;
  /** Throws an Error that says what is expected. */
  parse(text: string): T;
  format(value: T): string;
  readonly fallback: T | undefined;
  readonly required: boolean;
  /** Shown as `<hidden>` by print-config. */
  readonly secret: boolean;
}

type Names = string | readonly string[];

interface EntryOptions {
  readonly secret?: boolean;
}

/** How a kind of value is written. */
interface Notation<T> {
  readonly parse: (text: string) => T;
  readonly format: (value: T) => string;
}

function entry<T>(
  env: Names,
  { parse, format }: Notation<T>,
  fallback: T | undefined,
  describe: string,
  options: EntryOptions & { readonly required?: boolean } = {},
): ConfigEntry<T> {
  const { required = false, secret = false } = options;
  return { env, describe, parse, format, fallback, required, secret };
}

/** The same notation for a setting that may be left out. */
function optional<T>({ parse, format }: Notation<T>): Notation<T | undefined> {
  return { parse, format: (value) => (value === undefined ? '' : format(value)) };
}

const asText: Notation<string> = { parse: (value) => value, format: (value) => value };
const asFlag: Notation<boolean> = { parse: parseFlag, format: String };
const asDuration: Notation<number> = { parse: parseDurationMs, format: formatDurationMs };

/** Text; a setting without a default is {@link optionalText} or {@link requiredText}. */
export function text(env: Names, fallback: string, describe: string, options?: EntryOptions): ConfigEntry<string> {
  return entry(env, asText, fallback, describe, options);
}

/** Text that must be there and not be empty. */
export function requiredText(env: Names, describe: string): ConfigEntry<string> {
  return entry(env, { parse: nonEmpty, format: asText.format }, undefined, describe, { required: true });
}

/** Text that may be left out. */
export function optionalText(env: Names, describe: string, options?: EntryOptions): ConfigEntry<string | undefined> {
  return entry(env, optional(asText), undefined, describe, options);
}

/** Go's boolean words. */
export function flag(env: Names, fallback: boolean, describe: string): ConfigEntry<boolean> {
  return entry(env, asFlag, fallback, describe);
}

/** As {@link flag}; undefined when left out. */
export function optionalFlag(env: Names, describe: string): ConfigEntry<boolean | undefined> {
  return entry(env, optional(asFlag), undefined, describe);
}

/** A whole number within a range. */
export function integer(
  env: Names,
  fallback: number,
  range: { readonly min: number; readonly max: number },
  describe: string,
): ConfigEntry<number> {
  const parse = (value: string): number => parseInteger(value, range.min, range.max);
  return entry(env, { parse, format: String }, fallback, describe);
}

/** Milliseconds from Go or humantime text such as `10s`, `5m`, `1h30m`, `250ms`. */
export function durationMs(env: Names, fallback: number, describe: string): ConfigEntry<number> {
  return entry(env, asDuration, fallback, describe);
}

/** As {@link durationMs}; undefined when left out. */
export function optionalDurationMs(env: Names, describe: string): ConfigEntry<number | undefined> {
  return entry(env, optional(asDuration), undefined, describe);
}

/** One of these words. */
export function oneOf<const T extends readonly string[]>(
  env: Names,
  choices: T,
  fallback: T[number],
  describe: string,
): ConfigEntry<T[number]> {
  const parse = (value: string): T[number] => parseChoice(value, choices);
  return entry<T[number]>(env, { parse, format: (value) => value }, fallback, describe);
}

/** Comma-separated, blanks trimmed, empty parts dropped. */
export function list(env: Names, fallback: readonly string[], describe: string): ConfigEntry<readonly string[]> {
  return entry<readonly string[]>(env, { parse: parseList, format: (parts) => parts.join(',') }, fallback, describe);
}

/** Where a server listens. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port`. */
export function listenAddress(env: Names, fallback: ListenAddress, describe: string): ConfigEntry<ListenAddress> {
  return entry(env, { parse: parseListenAddress, format: formatListenAddress }, fallback, describe);
}

/** A value with a notation of its own; shown as JSON. `parse` throws an Error that says what is expected. */
export function parsed<T>(env: Names, parse: (text: string) => T, fallback: T, describe: string): ConfigEntry<T> {
  return entry(env, { parse, format: (value) => JSON.stringify(value) ?? '' }, fallback, describe);
}

function parseFlag(value: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new Error('expected true or false');
}

function parseInteger(value: string, min: number, max: number): number {
  const number = Number(value);
  if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(number)) throw new Error('expected a whole number');
  if (number < min || number > max) throw new Error(`expected a number from ${min} to ${max}`);
  return number;
}

function parseChoice<const T extends readonly string[]>(value: string, choices: T): T[number] {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new Error(`expected one of ${choices.join(', ')}`);
  return found;
}

function parseList(value: string): readonly string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function parseListenAddress(value: string): ListenAddress {
  const [, v6, other, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value) ?? [];
  const address = v6 ?? other;
  if (address === undefined || Number(digits) > 65_535) throw new Error('expected host:port');
  return { address, port: Number(digits) };
}

function formatListenAddress({ address, port }: ListenAddress): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function nonEmpty(value: string): string {
  if (value === '') throw new Error('must not be empty');
  return value;
}
