/**
 * What compiling one resource came to. All or nothing: `problems` go into the NACK, each a sentence with its place;
 * `warnings` do not hinder, but an operator should read them.
 */
export type Compiled<T> =
  | { readonly kind: 'ok'; readonly value: T; readonly warnings: readonly string[] }
  | { readonly kind: 'bad'; readonly problems: readonly string[] };

/** A NACK with more sentences than this helps nobody. */
const maxSentences = 50;

/** Collects what is wrong while a resource is compiled. */
export class Problems {
  readonly #problems: string[] = [];
  readonly #warnings: string[] = [];

  bad(place: string, reason: string): void {
    if (this.#problems.length < maxSentences) this.#problems.push(`${place}: ${reason}`);
  }

  warn(place: string, reason: string): void {
    if (this.#warnings.length < maxSentences) this.#warnings.push(`${place}: ${reason}`);
  }

  /** The result of `compile`, or undefined after noting its RangeError at the place; other errors pass. */
  attempt<T>(place: string, compile: () => T): T | undefined {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.bad(place, error.message);
      return undefined;
    }
  }

  /** The message, or undefined after noting why the bytes are none. */
  decode<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.bad('resource', `cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** For a resource of which nothing came. */
  refusal(): Compiled<never> {
    return { kind: 'bad', problems: this.#problems };
  }

  result<T>(value: T): Compiled<T> {
    return this.#problems.length === 0
      ? { kind: 'ok', value, warnings: this.#warnings }
      : { kind: 'bad', problems: this.#problems };
  }
}
