import { RE2JS } from 're2js';

/** One condition on a text. `regex` is RE2 and has to match the whole text; `present` matches any text, also an empty one. */
export type TextMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'present' };

/** A compiled condition. */
export interface TextTest {
  matches(text: string): boolean;
}

/** Longest pattern taken from users: RE2 is linear in the text, but its program grows with the pattern. */
const maxPatternChars = 4096;

/**
 * Compiles once, when configuration arrives. Throws RangeError for a pattern that is no RE2, with RE2's reason.
 * `foldsCase` acts on exact and prefix only (Istio: ignoreUriCase).
 */
export function compileTextMatch(match: TextMatch, foldsCase = false): TextTest {
  switch (match.kind) {
    case 'exact': {
      const value = foldsCase ? match.value.toLowerCase() : match.value;
      return { matches: (text) => (foldsCase ? text.toLowerCase() : text) === value };
    }
    case 'prefix': {
      const value = foldsCase ? match.value.toLowerCase() : match.value;
      return { matches: (text) => (foldsCase ? text.toLowerCase() : text).startsWith(value) };
    }
    case 'regex': {
      const regex = compileRegex(match.pattern);
      return { matches: (text) => regex.matches(text) };
    }
    case 'present':
      return { matches: () => true };
  }
}

/** A user's regular expression with RE2's syntax and linear time; backreferences and look-around do not exist in it. */
export function compileRegex(pattern: string): RE2JS {
  if (pattern.length > maxPatternChars) throw new RangeError(`a pattern of more than ${maxPatternChars} characters`);
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new RangeError(
      `not a regular expression that RE2 knows: ${error instanceof Error ? error.message : pattern}`,
    );
  }
}
