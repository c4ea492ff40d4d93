export {
  defaultPathRules,
  type EscapedSlashes,
  type NormalisedTarget,
  normaliseTarget,
  type PathNormalisation,
  type PathRules,
} from './normalise-path.ts';
export { parseGrpcTimeout } from './grpc-timeout.ts';
export { compilePathMatch, type PathMatch, type PathTest } from './path-match.ts';
export { type Redirect, redirectLocation, type RedirectPort, splitAuthority } from './redirect.ts';
export {
  type AttemptOutcome,
  defaultRetryPolicy,
  isRetriable,
  parseRetryOn,
  type RetryCondition,
  retryConditions,
  retryDelayMs,
  type RetryPolicy,
} from './retry-policy.ts';
export { type PathRewrite, rewritePath } from './rewrite.ts';
export {
  type ClaimMatch,
  compileRouteMatch,
  type FieldMatch,
  queryParameter,
  type RouteMatch,
  type RouteTest,
} from './route-match.ts';
export type { RoutedRequest } from './routed-request.ts';
export { compileRegex, compileTextMatch, type TextMatch, type TextTest } from './text-match.ts';
export { WeightedChoice } from './weighted-choice.ts';
