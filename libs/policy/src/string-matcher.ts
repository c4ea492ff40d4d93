/** One value of a string list in a policy. Spec: contract data-plane 6.4. */
export type StringMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'suffix'; readonly value: string }
  | { readonly kind: 'presence' };

/**
 * A list of string matches, any of which suffices. Exact values are looked up in a set, so a
 * policy that lists a thousand principals costs one lookup.
 */
export class StringMatcher {
  readonly size: number;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #suffixes: readonly string[];
  readonly #presence: boolean;

  constructor(matches: readonly StringMatch[]) {
    const exact = new Set<string>();
    const prefixes: string[] = [];
    const suffixes: string[] = [];
    let presence = false;
    for (const match of matches) {
      if (match.kind === 'exact') exact.add(match.value);
      else if (match.kind === 'prefix') prefixes.push(match.value);
      else if (match.kind === 'suffix') suffixes.push(match.value);
      else presence = true;
    }
    this.size = matches.length;
    this.#exact = exact;
    this.#prefixes = prefixes;
    this.#suffixes = suffixes;
    this.#presence = presence;
  }

  /** True when any value of the list matches; an empty list matches nothing. */
  matches(value: string): boolean {
    if (this.#presence && value !== '') return true;
    if (this.#exact.size > 0 && this.#exact.has(value)) return true;
    for (const prefix of this.#prefixes) if (value.startsWith(prefix)) return true;
    for (const suffix of this.#suffixes) if (value.endsWith(suffix)) return true;
    return false;
  }
}
