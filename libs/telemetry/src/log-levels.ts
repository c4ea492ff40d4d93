/**
 * Log levels per scope, changeable at run time with the directives that `POST /logging` and `RUST_LOG` take:
 * `info,access=debug,xds=warn`. Pure but for its own state; listeners carry a change to loggers and to workers.
 * Istio: contract/data-plane.md 7.5.
 */

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** From silent to everything. */
export type LogLevel = (typeof LEVELS)[number];

const SCOPE = /^[a-zA-Z_][\w.-]*(?:::[\w.-]+)*$/;

/** True when `wanted` is to be written under `configured`. */
export function isLevelEnabled(configured: LogLevel, wanted: LogLevel): boolean {
  return LEVELS.indexOf(wanted) <= LEVELS.indexOf(configured);
}

/** The levels in force. One object per process; workers get the directives as text. */
export class LogLevels {
  readonly #initial: string;
  #base: LogLevel = 'info';
  #scopes = new Map<string, LogLevel>();
  readonly #listeners = new Set<() => void>();

  /** @throws RangeError for directives that do not parse */
  constructor(directives = 'info') {
    this.#initial = directives;
    this.#merge(parseDirectives(directives));
  }

  /** The level of a scope: its own, that of the nearest parent (`a::b` under `a`), or the base level. */
  levelOf(scope: string): LogLevel {
    let name = scope;
    for (;;) {
      const level = this.#scopes.get(name);
      if (level !== undefined) return level;
      const parent = name.lastIndexOf('::');
      if (parent < 0) return this.#base;
      name = name.slice(0, parent);
    }
  }

  /** Adds directives to those in force; all or none. @throws RangeError for directives that do not parse */
  apply(directives: string): void {
    this.#merge(parseDirectives(directives));
    for (const listener of this.#listeners) listener();
  }

  /** Back to the start-up directives, then `directives` on top. @throws RangeError, with nothing changed */
  reset(directives = ''): void {
    const added = directives === '' ? [] : parseDirectives(directives);
    this.#base = 'info';
    this.#scopes = new Map();
    this.#merge(parseDirectives(this.#initial));
    this.#merge(added);
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` after each change until disposed. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: (): void => void this.#listeners.delete(listener) };
  }

  /** The directives in force, scopes first in alphabetical order, the base level last. */
  toString(): string {
    const scopes = [...this.#scopes].toSorted(([one], [other]) => (one < other ? -1 : 1));
    return [...scopes.map(([scope, level]) => `${scope}=${level}`), this.#base].join(',');
  }

  #merge(directives: readonly Directive[]): void {
    for (const { scope, level } of directives) {
      if (scope === undefined) this.#base = level;
      else this.#scopes.set(scope, level);
    }
  }
}

interface Directive {
  readonly scope: string | undefined;
  readonly level: LogLevel;
}

function parseDirectives(text: string): Directive[] {
  if (text.length > 4096) throw new RangeError('log directives are longer than 4096 characters');
  return text.split(',').map((part) => {
    const directive = part.trim();
    // `scope:level` is what the help text of Istio's ztunnel shows, `scope=level` what it takes.
    const match = /^(.+?)(?:=|:(?!:))([^=:]+)$/.exec(directive);
    const level = parseLevel(match?.[2] ?? directive);
    const scope = match?.[1];
    if (level === undefined || (scope !== undefined && !SCOPE.test(scope))) {
      throw new RangeError(`not a log directive: ${JSON.stringify(directive)} (level, or scope=level)`);
    }
    return { scope, level };
  });
}

function parseLevel(word: string): LogLevel | undefined {
  const lower = word.toLowerCase();
  return LEVELS.find((level) => level === lower);
}
