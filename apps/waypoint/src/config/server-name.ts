/** Host names with at most one star, at the front: `www.example.com`, `*.example.com`, or empty for all. In lower case. */
export type ServerNamePattern =
  | { readonly kind: 'all' }
  | { readonly kind: 'exact'; readonly name: string }
  /** With its leading dot: any number of labels may stand before it, but not none. */
  | { readonly kind: 'suffix'; readonly suffix: string };

export function serverNamePattern(written: string): ServerNamePattern {
  const name = written.toLowerCase();
  if (name === '' || name === '*') return { kind: 'all' };
  return name.startsWith('*.') ? { kind: 'suffix', suffix: name.slice(1) } : { kind: 'exact', name };
}

export function compileServerNames(written: readonly string[]): readonly ServerNamePattern[] {
  return written.map(serverNamePattern);
}

/**
 * How narrowly the pattern names this host (lower case, without port): undefined if it does not. An exact name beats every
 * suffix, a longer suffix a shorter one, and anything beats all.
 */
export function nameSpecificity(pattern: ServerNamePattern, lowerHost: string): number | undefined {
  switch (pattern.kind) {
    case 'all':
      return 0;
    case 'exact':
      return pattern.name === lowerHost ? Number.POSITIVE_INFINITY : undefined;
    case 'suffix':
      return lowerHost.length > pattern.suffix.length && lowerHost.endsWith(pattern.suffix)
        ? pattern.suffix.length
        : undefined;
  }
}

/** The most specific of the candidates for the host; the first of equals. */
export function mostSpecific<T>(
  candidates: readonly T[],
  patternOf: (candidate: T) => ServerNamePattern,
  lowerHost: string,
): T | undefined {
  let best: T | undefined;
  let bestSpecificity = -1;
  for (const candidate of candidates) {
    const specificity = nameSpecificity(patternOf(candidate), lowerHost);
    if (specificity === undefined || specificity <= bestSpecificity) continue;
    best = candidate;
    bestSpecificity = specificity;
  }
  return best;
}
