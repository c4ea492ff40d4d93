import { grpcCodeOf } from '@ambit/grpc';
import type { VirtualService, VirtualServiceRoute } from '@ambit/kube';
import { matchProblem } from './virtual-service-matches.ts';
import { patternProblem } from './usable-pattern.ts';

/** What of a VirtualService is not in force, and why, beside fields that have no effect anywhere. */
export function virtualServiceProblems({ spec }: VirtualService): readonly string[] {
  return [...gatewayProblems('gateways', spec.gateways), ...spec.http.flatMap(ruleProblems)];
}

/** Gateways take routes of the Gateway API alone. */
function gatewayProblems(field: string, gateways: readonly string[]): readonly string[] {
  const others = gateways.filter((name) => name !== 'mesh');
  if (others.length === 0) return [];
  const effect = gateways.includes('mesh') ? 'only mesh counts' : 'nothing of it is in force';
  return [
    `${field}: ${others.join(', ')} takes no VirtualServices, ${effect}; give a Gateway of class ambit an HTTPRoute`,
  ];
}

function ruleProblems(rule: VirtualServiceRoute, index: number): readonly string[] {
  const found: string[] = [];
  for (const match of rule.matches) {
    found.push(...gatewayProblems(`http[${index}].match.gateways`, match.gateways));
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
}
