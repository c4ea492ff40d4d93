/** Typed reading of one YAML mapping; every message says where the problem is. Pure. */
import { AmbitError } from '@ambit/runtime';

/** Throws AmbitError `BAD_LOCAL_XDS` for anything that is not as asked, and for keys that nobody asked for. */
export class YamlRecord {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #asked = new Set<string>();

  constructor(value: unknown, path: string) {
    if (!isMapping(value)) throw problem(path, 'expected a mapping');
    this.#fields = value;
    this.#path = path;
  }

  text(key: string, fallback?: string): string {
    const value = this.#take(key);
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value !== 'string') throw this.#problem(key, 'expected text');
    return value;
  }

  flag(key: string): boolean {
    const value = this.#take(key) ?? false;
    if (typeof value !== 'boolean') throw this.#problem(key, 'expected true or false');
    return value;
  }

  integer(key: string, fallback: number): number {
    const value = this.#take(key) ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.#problem(key, 'expected a whole number');
    }
    return value;
  }

  choice<T>(key: string, choices: Readonly<Record<string, T>>, fallback: string): T {
    const word = this.text(key, fallback);
    const found = Object.entries(choices).find(([name]) => name.toLowerCase() === word.toLowerCase());
    if (found === undefined) throw this.#problem(key, `expected one of ${Object.keys(choices).join(', ')}`);
    return found[1];
  }

  list(key: string): readonly unknown[] {
    const value = this.#take(key) ?? [];
    if (!Array.isArray(value)) throw this.#problem(key, 'expected a list');
    return value;
  }

  texts(key: string): readonly string[] {
    return this.list(key).map((value) => {
      if (typeof value !== 'string') throw this.#problem(key, 'expected a list of text');
      return value;
    });
  }

  /** Records of a list of mappings. */
  records(key: string): readonly YamlRecord[] {
    return this.list(key).map((value, i) => new YamlRecord(value, `${this.#path}${key}[${i}].`));
  }

  record(key: string): YamlRecord | undefined {
    const value = this.#take(key);
    return value === undefined ? undefined : new YamlRecord(value, `${this.#path}${key}.`);
  }

  /** All entries of a mapping with free keys; marks them as asked for. */
  entries(): readonly (readonly [string, unknown])[] {
    for (const key of Object.keys(this.#fields)) this.#asked.add(key);
    return Object.entries(this.#fields);
  }

  /** Nothing but what was asked for may be there. */
  end(): void {
    const unknown = Object.keys(this.#fields).filter((key) => !this.#asked.has(key));
    if (unknown.length > 0) throw problem(this.#path, `unknown field ${unknown.join(', ')}`);
  }

  #take(key: string): unknown {
    this.#asked.add(key);
    return this.#fields[key] ?? undefined;
  }

  #problem(key: string, what: string): AmbitError {
    return problem(`${this.#path}${key}`, what);
  }
}

export function problem(path: string, what: string): AmbitError {
  return new AmbitError('BAD_LOCAL_XDS', `local xDS: ${path === '' ? 'document' : path.replace(/\.$/, '')}: ${what}`);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
