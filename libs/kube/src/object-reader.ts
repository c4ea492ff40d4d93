import { formatPath, type Path } from './location.ts';
import { nearestName } from './nearest-name.ts';
import type { ReportCode } from './report.ts';

/** Receives what is wrong with an object while it is read. `path` leads to the value, or to where it is missing. */
export interface ProblemSink {
  problem(severity: 'error' | 'warning', code: ReportCode, path: Path, message: string): void;
  /** True: nobody is told of unknown fields. For objects whose schema an API server has checked already. */
  readonly allowsUnknownFields?: boolean;
}

/** A plain object of unknown content, as YAML or JSON gives it. */
export type PlainObject = Readonly<Record<string, unknown>>;

/** True for maps, false for lists, scalars and null. */
export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads one map field by field, with types checked and every mistake told to a sink at its place. A null value counts
 * as absent (as `labels:` with nothing behind it does in Kubernetes). A field that was neither read nor declared by
 * `ignore` is reported by `finish` as unknown, with the nearest known name.
 *
 * After an error the returned value is a placeholder: whoever reads must discard the object if the sink saw an error.
 */
export class ObjectReader {
  readonly path: Path;
  readonly #value: PlainObject;
  readonly #sink: ProblemSink;
  /** Fields that were asked for; undefined when nobody is told of others. */
  readonly #known: Set<string> | undefined;
  /** Shared by the readers of one object. */
  readonly #unhonoured: string[];

  constructor(value: PlainObject, path: Path, sink: ProblemSink, unhonoured: string[] = []) {
    this.#value = value;
    this.path = path;
    this.#sink = sink;
    this.#known = sink.allowsUnknownFields === true ? undefined : new Set();
    this.#unhonoured = unhonoured;
  }

  /** Fields of the object that are set and have no effect here, as text; complete when all has been read. */
  get unhonoured(): readonly string[] {
    return this.#unhonoured;
  }

  has(name: string): boolean {
    return this.#take(name) !== undefined;
  }

  string(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === 'string') return value;
    this.#notString([...this.path, name], value);
    return undefined;
  }

  requiredString(name: string): string {
    const value = this.string(name);
    if (value === undefined || value === '') {
      if (!this.has(name) || value === '') this.error(name, 'is required');
      return '';
    }
    return value;
  }

  /** One of a closed set of strings. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) {
      const near = nearestName(value, choices);
      this.error(
        name,
        `must be one of ${choices.join(', ')}, not "${value}"${near === undefined ? '' : `; did you mean ${near}?`}`,
      );
    }
    return found;
  }

  boolean(name: string): boolean | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === 'boolean') return value;
    this.error(name, 'must be true or false');
    return undefined;
  }

  /** A whole number within limits, both included. */
  integer(name: string, min: number, max: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (isWhole(value, min, max)) return value;
    this.error(name, `must be a whole number from ${min} to ${max}`);
    return undefined;
  }

  /** A whole number that may also be written as text, as JSON of 64-bit integers is. Anything else counts as absent. */
  integerOrText(name: string): number | string | undefined {
    const value = this.#take(name);
    return typeof value === 'number' || typeof value === 'string' ? value : undefined;
  }

  port(name: string): number | undefined {
    return this.integer(name, 1, 65535);
  }

  requiredPort(name: string): number {
    const value = this.port(name);
    if (value === undefined && !this.has(name)) this.error(name, 'is required: a port number from 1 to 65535');
    return value ?? 0;
  }

  /** A port given by number or by the name of a container port. */
  portOrName(name: string): number | string | undefined {
    const value = this.#take(name);
    if (typeof value === 'string') return value;
    return this.port(name);
  }

  strings(name: string): readonly string[] {
    const result: string[] = [];
    for (const [index, item] of this.#items(name)) {
      if (typeof item === 'string') result.push(item);
      else this.#notString([...this.path, name, index], item);
    }
    return result;
  }

  stringMap(name: string): Readonly<Record<string, string>> {
    const entries: (readonly [string, string])[] = [];
    for (const [key, value] of this.#entries(name)) {
      if (typeof value === 'string') entries.push([key, value]);
      else this.#notString([...this.path, name, key], value);
    }
    return Object.fromEntries(entries);
  }

  /** The strings under these names, of a map that may hold anything else as well. */
  openStringMap(names: readonly string[]): Readonly<Record<string, string>> {
    this.ignore(...Object.keys(this.#value));
    const entries = names.flatMap((name) => {
      const value = this.#take(name);
      return typeof value === 'string' ? [[name, value] as const] : [];
    });
    return Object.fromEntries(entries);
  }

  /** Whole numbers within limits, both included. */
  integers(name: string, min: number, max: number): readonly number[] {
    const result: number[] = [];
    for (const [index, item] of this.#items(name)) {
      if (isWhole(item, min, max)) result.push(item);
      else this.#problem('error', [...this.path, name, index], `must be a whole number from ${min} to ${max}`);
    }
    return result;
  }

  /** Any number within limits, both included. */
  number(name: string, min: number, max: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    this.error(name, `must be a number from ${min} to ${max}`);
    return undefined;
  }

  /** A map from names to port numbers. */
  portMap(name: string): Readonly<Record<string, number>> {
    const entries: (readonly [string, number])[] = [];
    for (const [key, value] of this.#entries(name)) {
      if (isWhole(value, 1, 65535)) entries.push([key, value]);
      else this.#problem('error', [...this.path, name, key], 'must be a port number from 1 to 65535');
    }
    return Object.fromEntries(entries);
  }

  /** A map from names to whole numbers within limits, in written order. */
  numberMap(name: string, min: number, max: number): readonly (readonly [key: string, value: number])[] {
    const entries: (readonly [string, number])[] = [];
    for (const [key, value] of this.#entries(name)) {
      if (isWhole(value, min, max)) entries.push([key, value]);
      else this.#problem('error', [...this.path, name, key], `must be a whole number from ${min} to ${max}`);
    }
    return entries;
  }

  /** A map whose values are maps, in written order. */
  objectMap<T>(name: string, read: (reader: ObjectReader, key: string) => T): readonly T[] {
    const results: T[] = [];
    for (const [key, value] of this.#entries(name)) {
      const path = [...this.path, name, key];
      if (isPlainObject(value)) results.push(this.#child(value, path, (reader) => read(reader, key)));
      else this.#problem('error', path, 'must be a map');
    }
    return results;
  }

  object<T>(name: string, read: (reader: ObjectReader) => T): T | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (isPlainObject(value)) return this.#child(value, [...this.path, name], read);
    this.error(name, 'must be a map');
    return undefined;
  }

  /** Like `object`, with an absent one read as empty (so that required fields inside are reported). */
  requiredObject<T>(name: string, read: (reader: ObjectReader) => T): T | undefined {
    if (this.has(name)) return this.object(name, read);
    this.error(name, 'is required');
    return undefined;
  }

  objects<T>(name: string, read: (reader: ObjectReader) => T): readonly T[] {
    const results: T[] = [];
    for (const [index, item] of this.#items(name)) {
      const path = [...this.path, name, index];
      if (isPlainObject(item)) results.push(this.#child(item, path, read));
      else this.#problem('error', path, 'must be a map');
    }
    return results;
  }

  /** Declares fields that Kubernetes knows and that mean nothing here. */
  ignore(...names: readonly string[]): void {
    if (this.#known !== undefined) for (const name of names) this.#known.add(name);
  }

  /** Declares fields that users expect to have an effect, and that have none here: where they are set, `unhonoured` says so. */
  doNotHonour(...names: readonly string[]): void {
    for (const name of names) if (this.has(name)) this.#unhonoured.push(formatPath([...this.path, name]));
  }

  error(name: string, message: string): void {
    this.#problem('error', name === '' ? this.path : [...this.path, name], message);
  }

  warn(name: string, message: string): void {
    const path = name === '' ? this.path : [...this.path, name];
    this.#sink.problem('warning', 'suspicious', path, `${formatPath(path)} ${message}`);
  }

  /** Reports fields nobody asked for. Called by `object` and `objects`; call it yourself on a root reader. */
  finish(): void {
    const known = this.#known;
    if (known === undefined) return;
    for (const name of Object.keys(this.#value)) {
      if (known.has(name)) continue;
      const path = [...this.path, name];
      const near = nearestName(name, known);
      const advice = near === undefined ? 'remove it or check its indentation' : `did you mean ${near}?`;
      this.#sink.problem('warning', 'unknown-field', path, `unknown field ${formatPath(path)} is ignored; ${advice}`);
    }
  }

  #child<T>(value: PlainObject, path: Path, read: (reader: ObjectReader) => T): T {
    const reader = new ObjectReader(value, path, this.#sink, this.#unhonoured);
    const result = read(reader);
    reader.finish();
    return result;
  }

  #take(name: string): unknown {
    this.#known?.add(name);
    return Object.hasOwn(this.#value, name) ? (this.#value[name] ?? undefined) : undefined;
  }

  *#items(name: string): Generator<readonly [number, unknown]> {
    const value = this.#take(name);
    if (value === undefined) return;
    if (Array.isArray(value)) {
      for (const entry of value.entries()) yield entry;
      return;
    }
    this.error(name, 'must be a list; start each entry with "- "');
  }

  *#entries(name: string): Generator<readonly [string, unknown]> {
    const value = this.#take(name);
    if (value === undefined) return;
    if (isPlainObject(value)) {
      yield* Object.entries(value);
      return;
    }
    this.error(name, 'must be a map');
  }

  #notString(path: Path, value: unknown): void {
    this.#problem(
      'error',
      path,
      `must be a string${isScalar(value) ? `; write it in quotes: "${String(value)}"` : ''}`,
    );
  }

  #problem(severity: 'error' | 'warning', path: Path, message: string): void {
    this.#sink.problem(severity, 'invalid', path, `${formatPath(path)} ${message}`);
  }
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}
