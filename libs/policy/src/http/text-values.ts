/**
 * Values of one attribute in Istio's forms: `text`, `prefix*`, `*suffix`, `*`. Any of them suffices.
 * Compiled once, so that many exact values cost one lookup. Spec: contract l7 4.3.
 */
export class TextValues {
  readonly #exact = new Set<string>();
  readonly #prefixes: string[] = [];
  readonly #suffixes: string[] = [];
  readonly #foldsCase: boolean;
  #isPresence = false;

  /** `foldsCase`: for attributes whose case does not matter, such as hosts. */
  constructor(values: readonly string[], foldsCase = false) {
    this.#foldsCase = foldsCase;
    for (const value of values) this.#add(foldsCase ? value.toLowerCase() : value);
  }

  /** Whether a value matches; an absent attribute (undefined) matches nothing, not even `*`. */
  matches(text: string | undefined): boolean {
    if (text === undefined) return false;
    if (this.#isPresence) return true;
    const compared = this.#foldsCase ? text.toLowerCase() : text;
    if (this.#exact.has(compared)) return true;
    for (const prefix of this.#prefixes) if (compared.startsWith(prefix)) return true;
    for (const suffix of this.#suffixes) if (compared.endsWith(suffix)) return true;
    return false;
  }

  #add(value: string): void {
    if (value === '*') this.#isPresence = true;
    else if (value.startsWith('*')) this.#suffixes.push(value.slice(1));
    else if (value.endsWith('*')) this.#prefixes.push(value.slice(0, -1));
    else this.#exact.add(value);
  }
}
