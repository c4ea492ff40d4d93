import type { RE2JS } from 're2js';

import type { PathTest } from './path-match.ts';

/**
 * How a route changes the path. `prefix` is Gateway API's ReplacePrefixMatch (by segments), `text` VirtualService's `uri` behind a
 * prefix match (plain text, doubled slashes included), `full` replaces all of it, `regex` substitutes every match in the path.
 */
export type PathRewrite =
  | { readonly kind: 'full'; readonly path: string }
  | { readonly kind: 'prefix'; readonly replacement: string }
  | { readonly kind: 'text'; readonly replacement: string }
  | { readonly kind: 'regex'; readonly regex: RE2JS; readonly substitution: string };

/** The new path; the query is not touched. Always begins with a slash. */
export function rewritePath(rewrite: PathRewrite, path: string, matched: PathTest | undefined): string {
  return withSlash(rewritten(rewrite, path, matched));
}

function rewritten(rewrite: PathRewrite, path: string, matched: PathTest | undefined): string {
  switch (rewrite.kind) {
    case 'full':
      return rewrite.path;
    case 'prefix':
      return matched?.prefixLength === undefined
        ? rewrite.replacement
        : replacePrefix(path, matched.prefixLength, rewrite.replacement);
    case 'text':
      return matched?.prefixLength === undefined
        ? rewrite.replacement
        : rewrite.replacement + path.slice(matched.prefixLength);
    case 'regex':
      return rewrite.regex.matcher(path).replaceAll(rewrite.substitution);
  }
}

/** Gateway API: prefix `/foo` of `/foo/bar` by `/xyz` or `/xyz/` gives `/xyz/bar`; by nothing or `/` gives `/bar`. */
function replacePrefix(path: string, prefixLength: number, replacement: string): string {
  const rest = path.slice(prefixLength);
  const base = replacement.endsWith('/') ? replacement.slice(0, -1) : replacement;
  return base + rest;
}

function withSlash(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}
