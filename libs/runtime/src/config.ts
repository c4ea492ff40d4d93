/**
 * Configuration from the environment, read once through a table.
 *
 * The table holds name, kind, default and description of each variable; from it come the frozen config object, the
 * list of all problems at once, `--print-config`, and the pages under `docs/settings`. An unknown `AMBIT_*` variable is a problem,
 * because a misspelt setting that is silently ignored is worse than a process that does not start.
 */
import { AmbitError } from './ambit-error.ts';
import type { ConfigEntry } from './config-entry.ts';

/** Settings of a program by the name they have in code. */
export type ConfigTable = Readonly<Record<string, ConfigEntry<unknown>>>;
/** The values that a table gives. */
export type ConfigOf<T extends ConfigTable> = {
  readonly [K in keyof T]: T[K] extends ConfigEntry<infer V> ? V : never;
};

/** What was read, and from where. */
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

/** One line per setting: variable, value, origin. Secrets are hidden; the values can be set as they are shown, but for JSON. */
export function printConfig<T extends ConfigTable>(table: T, loaded: LoadedConfig<T>): string {
  const rows = Object.entries(table).map(([key, field]) => {
    const value: unknown = loaded.config[key];
    const shown = value === undefined ? 'unset' : field.secret ? '<hidden>' : field.format(value);
    return `${namesOf(field)[0]}=${shown} (${loaded.origins[key] === 'default' ? 'default' : `from ${loaded.origins[key]}`})`;
  });
  return `${rows.join('\n')}\n`;
}

/** Markdown table of all settings, for the pages under `docs/settings`. */
export function describeConfig(table: ConfigTable): string {
  const rows = Object.values(table).map((field) => {
    const { fallback } = field;
    const initial = fallback === undefined ? 'unset' : code(field.format(fallback));
    return `| ${namesOf(field).map(code).join(', ')} | ${field.required ? 'required' : initial} | ${cell(field.describe)} |`;
  });
  return ['| variable | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

/** Text that neither ends the cell nor begins a tag. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function code(text: string): string {
  return text === '' ? 'empty' : `\`${text}\``;
}

function namesOf(field: ConfigEntry<unknown>): readonly string[] {
  return typeof field.env === 'string' ? [field.env] : field.env;
}
