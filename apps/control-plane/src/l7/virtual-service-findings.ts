import { grpcCodeOf } from '@ambit/grpc';
import type { VirtualService } from '@ambit/kube';
import { matchProblem } from './virtual-service-matches.ts';
import { patternProblem } from './usable-pattern.ts';

/** What of a VirtualService is not in force, and why, beside fields that have no effect anywhere. */
export function virtualServiceProblems({ spec }: VirtualService): readonly string[] {
  return spec.http.flatMap((rule, index) => {
    const found: string[] = [];
    for (const match of rule.matches) {
      const problem = matchProblem(match);
      if (problem !== undefined) found.push(`http[${index}]: ${problem}; the match is left out`);
    }
    const rewrite = rule.rewrite?.regex === undefined ? undefined : patternProblem(rule.rewrite.regex.match);
    if (rewrite !== undefined) found.push(`http[${index}].rewrite: ${rewrite}; the path is not rewritten`);
    const code = rule.redirect?.code ?? 301;
    if (![0, 301, 302, 303, 307, 308].includes(code)) {
      found.push(`http[${index}].redirect: ${code} is no status of a redirect; the rule is left out`);
    }
    const grpcStatus = rule.fault?.abort?.grpcStatus;
    if (grpcStatus !== undefined && grpcCodeOf(grpcStatus) < 0) {
      found.push(`http[${index}].fault.abort: ${grpcStatus} is no status of gRPC; nothing is aborted`);
    }
    return found;
  });
}
