import type { TokenFacts } from '../http/request-facts.ts';
import { isRecord } from './decode-token.ts';

/** Claims whose text is a list of words. Istio always treats these so. */
const alwaysSpaceDelimited: readonly string[] = ['scope', 'permission'];

/** The claims of a verified token in the form in which policies, routes and headers ask for them. */
export class TokenClaims implements TokenFacts {
  readonly #claims: Readonly<Record<string, unknown>>;
  readonly #spaceDelimited: readonly string[];

  constructor(claims: Readonly<Record<string, unknown>>, spaceDelimited: readonly string[]) {
    this.#claims = claims;
    this.#spaceDelimited = spaceDelimited;
  }

  get issuer(): string {
    return textOf(this.#claims['iss']);
  }

  get subject(): string {
    return textOf(this.#claims['sub']);
  }

  get audiences(): readonly string[] {
    return strings(this.#claims['aud']);
  }

  get presenter(): string | undefined {
    const { azp } = this.#claims;
    return typeof azp === 'string' ? azp : undefined;
  }

  claim(path: readonly string[]): readonly string[] {
    const value = this.#at(path);
    if (typeof value === 'string' && path.length === 1 && this.#isSpaceDelimited(path[0] ?? '')) {
      return value.split(' ').filter((word) => word !== '');
    }
    return strings(value);
  }

  /** A claim as the text of a header: strings, integers and booleans; undefined for the rest. Istio: outputClaimToHeaders. */
  headerText(path: readonly string[]): string | undefined {
    const value = this.#at(path);
    if (typeof value === 'string' || typeof value === 'boolean') return String(value);
    return typeof value === 'number' && Number.isInteger(value) ? String(value) : undefined;
  }

  #isSpaceDelimited(name: string): boolean {
    return alwaysSpaceDelimited.includes(name) || this.#spaceDelimited.includes(name);
  }

  #at(path: readonly string[]): unknown {
    let value: unknown = this.#claims;
    for (const name of path) {
      if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined;
      value = value[name];
    }
    return value;
  }
}

function strings(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return [];
  return value.filter((member): member is string => typeof member === 'string');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
