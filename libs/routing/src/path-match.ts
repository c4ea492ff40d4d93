import type { RE2JS } from 're2js';

import { compileRegex } from './text-match.ts';

/**
 * A condition on the path. `segments` is Gateway API's PathPrefix (whole segments), `prefix` VirtualService's (raw text).
 * `regex` has to match the whole path.
 */
export type PathMatch =
  | { readonly kind: 'exact'; readonly value: string; readonly foldsCase?: boolean }
  | { readonly kind: 'segments'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string; readonly foldsCase?: boolean }
  | { readonly kind: 'regex'; readonly pattern: string };

/** What of the path a match took: what a prefix rewrite replaces. `prefixLength` is undefined for exact and regex. */
export interface PathTest {
  matches(path: string): boolean;
  readonly prefixLength: number | undefined;
}

/** Throws RangeError for a pattern that is no RE2. */
export function compilePathMatch(match: PathMatch): PathTest {
  switch (match.kind) {
    case 'exact': {
      const { value, foldsCase = false } = match;
      const wanted = foldsCase ? value.toLowerCase() : value;
      return { matches: (path) => (foldsCase ? path.toLowerCase() : path) === wanted, prefixLength: undefined };
    }
    case 'segments':
      return segmentsTest(match.value);
    case 'prefix': {
      const { value, foldsCase = false } = match;
      const wanted = foldsCase ? value.toLowerCase() : value;
      const matches = (path: string): boolean => (foldsCase ? path.toLowerCase() : path).startsWith(wanted);
      return { matches, prefixLength: value.length };
    }
    case 'regex': {
      const regex: RE2JS = compileRegex(match.pattern);
      return { matches: (path) => regex.matches(path), prefixLength: undefined };
    }
  }
}

function segmentsTest(value: string): PathTest {
  // A slash at the end of the value means nothing: `/abc/` is `/abc`, and `/` is every path.
  const prefix = value.endsWith('/') ? value.slice(0, -1) : value;
  const matches = (path: string): boolean =>
    path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f);
  return { matches, prefixLength: prefix.length };
}
