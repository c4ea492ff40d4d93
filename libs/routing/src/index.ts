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
export {
  type BalancedEndpoint,
  type Balancer,
  type SimpleAlgorithm,
  simpleBalancer,
  type SimpleBalancerOptions,
  type WeightFactor,
} from './balance/balancer.ts';
export { hashText, maglevBalancer, ringBalancer } from './balance/consistent-hash.ts';
export {
  defaultOutlierRules,
  type EndpointResult,
  OutlierEjector,
  type OutlierRules,
} from './balance/outlier-ejector.ts';
export { type SlowStart, slowStartFactor } from './balance/slow-start.ts';
export { type CorsDecision, type CorsRequest, type CorsRules, decideCors, type OriginMatch } from './cors.ts';
export { drawFault, type FaultRules, type InjectedFault } from './fault.ts';
export { type BucketRule, type TokenTaken, TokenBuckets } from './limit/token-buckets.ts';
