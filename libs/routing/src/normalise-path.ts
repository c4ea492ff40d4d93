/** How far a request's path is brought into one form. Istio: meshConfig.pathNormalization. */
export type PathNormalisation = 'none' | 'base' | 'merge-slashes' | 'decode-and-merge-slashes';

/** What to do with `%2F` and `%5C`, which backends read as slashes or not. Istio: pathWithEscapedSlashesAction. */
export type EscapedSlashes = 'keep' | 'reject' | 'unescape-and-redirect' | 'unescape-and-forward';

export interface PathRules {
  readonly normalisation: PathNormalisation;
  readonly escapedSlashes: EscapedSlashes;
}

/** Istio's default. */
export const defaultPathRules: PathRules = { normalisation: 'base', escapedSlashes: 'keep' };

/**
 * The one form of a request target that policy, routes and the backend all see. `query` has its question mark, or is empty.
 * `redirect`: answer 307 with this target. `refused`: answer 400.
 */
export type NormalisedTarget =
  | { readonly kind: 'target'; readonly path: string; readonly query: string }
  | { readonly kind: 'redirect'; readonly target: string }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Normalises an origin-form target once, before anybody looks at it. Cuts a fragment; leaves double encoding, overlong
 * UTF-8, `;param` and case alone. Refuses NUL and incomplete escapes, which programs read differently (Envoy lets
 * incomplete escapes pass). Spec: contract l7 4.4; RFC 3986 section 6.2.2.
 */
export function normaliseTarget(target: string, rules: PathRules): NormalisedTarget {
  const fragment = target.indexOf('#');
  const whole = fragment < 0 ? target : target.slice(0, fragment);
  const mark = whole.indexOf('?');
  const query = mark < 0 ? '' : whole.slice(mark);
  let path = mark < 0 ? whole : whole.slice(0, mark);
  if (!path.startsWith('/')) return refused('the path does not begin with a slash');
  const escape = badEscape(path);
  if (escape !== undefined) return refused(escape);
  if (rules.normalisation === 'none' && rules.escapedSlashes === 'keep') return { kind: 'target', path, query };

  let isRedirect = false;
  if (hasEscapedSlash(path)) {
    const action = rules.normalisation === 'decode-and-merge-slashes' ? 'unescape-and-forward' : rules.escapedSlashes;
    if (action === 'reject') return refused('escaped slash in the path');
    if (action !== 'keep') {
      path = path.replace(/%2f|%5c/gi, '/');
      isRedirect = action === 'unescape-and-redirect';
    }
  }
  if (rules.normalisation !== 'none') path = baseForm(path);
  if (rules.normalisation === 'merge-slashes' || rules.normalisation === 'decode-and-merge-slashes') {
    if (path.includes('//')) path = path.replace(/\/{2,}/g, '/');
  }
  return isRedirect ? { kind: 'redirect', target: path + query } : { kind: 'target', path, query };
}

function refused(reason: string): NormalisedTarget {
  return { kind: 'refused', reason };
}

function badEscape(path: string): string | undefined {
  for (let at = path.indexOf('%'); at >= 0; at = path.indexOf('%', at + 1)) {
    const code = Number.parseInt(path.slice(at + 1, at + 3), 16);
    if (!/^[0-9A-Fa-f]{2}$/.test(path.slice(at + 1, at + 3))) return 'incomplete escape in the path';
    if (code === 0) return 'NUL in the path';
  }
  return undefined;
}

function hasEscapedSlash(path: string): boolean {
  return path.includes('%') && /%2f|%5c/i.test(path);
}

/** Backslashes, escapes of unreserved characters, and dot segments. Most paths need none of it and are returned as they are. */
function baseForm(path: string): string {
  let form = path;
  if (form.includes('\\')) form = form.replaceAll('\\', '/');
  if (form.includes('%')) form = form.replace(/%([0-9A-Fa-f]{2})/g, decodeUnreserved);
  return form.includes('/.') ? withoutDotSegments(form) : form;
}

function decodeUnreserved(escape: string, digits: string): string {
  const character = String.fromCharCode(Number.parseInt(digits, 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : escape;
}

/** Spec: RFC 3986 section 5.2.4. Never climbs above the root. */
function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..') kept.pop();
      if (isLast) kept.push('');
    } else {
      kept.push(segment);
    }
  }
  return `/${kept.join('/')}`;
}
