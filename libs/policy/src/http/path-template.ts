const oneSegment = '{*}';
const anySegments = '{**}';
/** Characters of a path segment that need no escape, and escapes. Spec: RFC 3986, pchar. */
const literalSegment = /^(?:[A-Za-z0-9._~!$&'()+,;:@=-]|%[0-9A-Fa-f]{2})*$/;

/** Whether a path value is a template: it holds an operator. */
export function isPathTemplate(value: string): boolean {
  return value.includes(oneSegment) || value.includes(anySegments);
}

/**
 * A path with operators: `{*}` is one whole segment that is not empty, `{**}` any text between its slashes, empty or
 * with slashes in it, and the last operator. The rest is literal and case matters. Istio: pkg/config/security, path templates.
 */
export class PathTemplate {
  readonly #before: readonly string[];
  /** Segments after `{**}`; undefined without that operator. */
  readonly #after: readonly string[] | undefined;

  private constructor(before: readonly string[], after: readonly string[] | undefined) {
    this.#before = before;
    this.#after = after;
  }

  /** Undefined if the value is no legal template. */
  static parse(value: string): PathTemplate | undefined {
    if (!value.startsWith('/')) return undefined;
    const segments = value.slice(1).split('/');
    const any = segments.indexOf(anySegments);
    for (let i = 0; i < segments.length; i++) {
      const segment = segments[i] ?? '';
      if (segment === oneSegment ? any >= 0 && i > any : i !== any && !literalSegment.test(segment)) return undefined;
    }
    return any < 0
      ? new PathTemplate(segments, undefined)
      : new PathTemplate(segments.slice(0, any), segments.slice(any + 1));
  }

  matches(path: string): boolean {
    if (!path.startsWith('/')) return false;
    const segments = path.slice(1).split('/');
    const before = this.#before;
    const after = this.#after;
    if (after === undefined) return segments.length === before.length && runMatches(before, segments, 0);
    // The operator stands between slashes: `/foo/{**}` matches `/foo/` and `/foo/a/b`, not `/foo`.
    return segments.length > before.length + after.length && this.#endsMatch(segments, after);
  }

  #endsMatch(segments: readonly string[], after: readonly string[]): boolean {
    return runMatches(this.#before, segments, 0) && runMatches(after, segments, segments.length - after.length);
  }
}

function runMatches(pattern: readonly string[], segments: readonly string[], from: number): boolean {
  for (let i = 0; i < pattern.length; i++) {
    const wanted = pattern[i];
    const segment = segments[from + i];
    if (wanted === oneSegment ? segment === undefined || segment === '' : wanted !== segment) return false;
  }
  return true;
}
