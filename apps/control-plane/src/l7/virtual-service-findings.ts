import type { SourceReport, VirtualService } from '@ambit/kube';
import { matchProblem } from './virtual-service-matches.ts';
import { patternProblem } from './usable-pattern.ts';

/** What of a VirtualService is not in force, and why. Its status has no place for it, so it is reported. */
export function virtualServiceFindings({ metadata, spec, origin }: VirtualService): readonly SourceReport[] {
  const report = (message: string): SourceReport => ({
    severity: 'warning',
    code: 'suspicious',
    location: origin,
    message: `VirtualService ${metadata.namespace}/${metadata.name}: ${message}`,
  });
  return spec.http.flatMap((rule, index) => {
    const found: SourceReport[] = [];
    for (const match of rule.matches) {
      const problem = matchProblem(match);
      if (problem !== undefined) found.push(report(`http[${index}]: ${problem}; the match is left out`));
    }
    const rewrite = rule.rewrite?.regex === undefined ? undefined : patternProblem(rule.rewrite.regex.match);
    if (rewrite !== undefined) found.push(report(`http[${index}].rewrite: ${rewrite}; the path is not rewritten`));
    const code = rule.redirect?.code ?? 301;
    if (![0, 301, 302, 303, 307, 308].includes(code)) {
      found.push(report(`http[${index}].redirect: ${code} is no status of a redirect; the rule is left out`));
    }
    return found;
  });
}
