/**
 * Configuration from the environment, read once through a table.
 *
 * The table holds name, kind, default and description of each variable; from it come the frozen config object, the
 * list of all problems at once, `--print-config`, and the reference page. An unknown `AMBIT_*` variable is a problem,
 * because a misspelt setting that is silently ignored is worse than a process that does not start.
 */
import { AmbitError } from './ambit-error.ts';

type Parser<T> = (text: string) => T;

export interface ConfigEntry<T> {
  /** Names in order of precedence; the first that is set wins. */
  readonly env: string | readonly string[];
  readonly describe: string;
  readonly parse: Parser<T>;
  readonly fallback: T | undefined;
  readonly required: boolean;
  /** Shown as `<hidden>` by print-config. */
  readonly secret: boolean;
}

export type ConfigTable = Readonly<Record<string, ConfigEntry<unknown>>>;
export type ConfigOf<T extends ConfigTable> = {
  readonly [K in keyof T]: T[K] extends ConfigEntry<infer V> ? V : never;
};

interface EntryOptions {
  readonly secret?: boolean;
}

function entry<T>(
  env: string | readonly string[],
  parse: Parser<T>,
  fallback: T | undefined,
  required: boolean,
  describe: string,
  options?: EntryOptions,
): ConfigEntry<T> {
  return { env, describe, parse, fallback, required, secret: options?.secret ?? false };
}

/** Text; optional when the default is `undefined` is not possible, use {@link optionalText}. */
export function text(
  env: string | readonly string[],
  fallback: string,
  describe: string,
  options?: EntryOptions,
): ConfigEntry<string> {
  return entry(env, (value) => value, fallback, false, describe, options);
}

export function requiredText(env: string | readonly string[], describe: string): ConfigEntry<string> {
  return entry<string>(env, nonEmpty, undefined, true, describe);
}

export function optionalText(
  env: string | readonly string[],
  describe: string,
  options?: EntryOptions,
): ConfigEntry<string | undefined> {
  return entry<string | undefined>(env, (value) => value, undefined, false, describe, options);
}

/** Go's boolean words. */
export function flag(env: string | readonly string[], fallback: boolean, describe: string): ConfigEntry<boolean> {
  return entry(env, parseFlag, fallback, false, describe);
}

export function optionalFlag(env: string | readonly string[], describe: string): ConfigEntry<boolean | undefined> {
  return entry<boolean | undefined>(env, parseFlag, undefined, false, describe);
}

export function integer(
  env: string | readonly string[],
  fallback: number,
  range: { readonly min: number; readonly max: number },
  describe: string,
): ConfigEntry<number> {
  return entry(env, (value) => parseInteger(value, range.min, range.max), fallback, false, describe);
}

/** Milliseconds from Go or humantime text such as `10s`, `5m`, `1h30m`, `250ms`. */
export function durationMs(env: string | readonly string[], fallback: number, describe: string): ConfigEntry<number> {
  return entry(env, parseDurationMs, fallback, false, describe);
}

export function optionalDurationMs(env: string | readonly string[], describe: string): ConfigEntry<number | undefined> {
  return entry<number | undefined>(env, parseDurationMs, undefined, false, describe);
}

export function oneOf<const T extends readonly string[]>(
  env: string | readonly string[],
  choices: T,
  fallback: T[number],
  describe: string,
): ConfigEntry<T[number]> {
  return entry<T[number]>(env, (value) => parseChoice(value, choices), fallback, false, describe);
}

/** Comma-separated, blanks trimmed, empty parts dropped. */
export function list(
  env: string | readonly string[],
  fallback: readonly string[],
  describe: string,
): ConfigEntry<readonly string[]> {
  return entry<readonly string[]>(
    env,
    (value) =>
      value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    fallback,
    false,
    describe,
  );
}

export interface LoadedConfig<T extends ConfigTable> {
  readonly config: ConfigOf<T>;
  /** For each key the variable it came from, or `default`. */
  readonly origins: Readonly<Record<string, string>>;
}

/**
 * Reads the environment through a table.
 * @throws AmbitError `BAD_CONFIG` naming every problem, one per line.
 */
export function loadConfig<T extends ConfigTable>(
  table: T,
  env: Readonly<Record<string, string | undefined>>,
): LoadedConfig<T> {
  const config: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  const problems: string[] = [];
  const known = new Set<string>();
  for (const [key, field] of Object.entries(table)) {
    const names = namesOf(field);
    for (const name of names) known.add(name);
    const name = names.find((candidate) => env[candidate] !== undefined);
    const value = name === undefined ? undefined : env[name];
    origins[key] = name ?? 'default';
    if (name === undefined || value === undefined) {
      if (field.required) problems.push(`${names[0]} is not set: ${field.describe}`);
      config[key] = field.fallback;
      continue;
    }
    try {
      config[key] = field.parse(value);
    } catch (cause) {
      problems.push(
        `${name}=${field.secret ? '<hidden>' : JSON.stringify(value)}: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
    }
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('AMBIT_') && !known.has(name) && name !== LAB_MARKER)
      problems.push(`${name} is not a setting of this process; unset it or correct its name`);
  }
  if (problems.length > 0) throw new AmbitError('BAD_CONFIG', problems.join('\n'), { details: { problems } });
  // The loop above put one value of the declared type under every key of the table.
  return { config: Object.freeze(config) as ConfigOf<T>, origins };
}

/**
 * In the environment of every process of a lab, with the lab's name as its value: by it those are found that a crash left
 * behind. A setting of none of them.
 */
export const LAB_MARKER = 'AMBIT_LAB';

/** One line per setting: variable, value, origin. Secrets are hidden. */
export function printConfig<T extends ConfigTable>(table: T, loaded: LoadedConfig<T>): string {
  const rows = Object.entries(table).map(([key, field]) => {
    const value: unknown = loaded.config[key];
    const shown = field.secret && value !== undefined ? '<hidden>' : (JSON.stringify(value) ?? 'unset');
    return `${namesOf(field)[0]}=${shown} (${loaded.origins[key] === 'default' ? 'default' : `from ${loaded.origins[key]}`})`;
  });
  return `${rows.join('\n')}\n`;
}

/** Markdown table of all settings, for the reference page. */
export function describeConfig(table: ConfigTable): string {
  const rows = Object.values(table).map(
    (field) =>
      `| \`${namesOf(field).join('`, `')}\` | ${field.required ? 'required' : `\`${JSON.stringify(field.fallback) ?? ''}\``} | ${field.describe} |`,
  );
  return ['| Variable | Default | Meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

/** Parses `1h30m`, `10s`, `250ms`; a bare `0` is allowed, other bare numbers are not. */
export function parseDurationMs(value: string): number {
  if (value === '0') return 0;
  const pattern = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)\s*/gy;
  let total = 0;
  let end = 0;
  for (const match of value.matchAll(pattern)) {
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
    end = match.index + match[0].length;
  }
  if (end === 0 || end !== value.length) throw new Error('expected a duration such as 10s, 5m or 1h30m');
  return total;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

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

function nonEmpty(value: string): string {
  if (value === '') throw new Error('must not be empty');
  return value;
}

function namesOf(field: ConfigEntry<unknown>): readonly string[] {
  return typeof field.env === 'string' ? [field.env] : field.env;
}
