export { type ConnectionContext, type PeerIdentity, type PolicyTarget, peerIdentity } from './connection-context.ts';
export type { Clause, Match, Policy, PolicyAction, PolicyScope, Rule, ServiceAccountMatch } from './policy.ts';
export { type IpPrefix, ipPrefix, prefixContains } from './ip-prefix.ts';
export { type StringMatch, StringMatcher } from './string-matcher.ts';
export {
  type DecodedPolicy,
  type PolicyLimits,
  compilePolicy,
  decodePolicy,
  defaultPolicyLimits,
} from './decode-policy.ts';
export { type ApplicablePolicies, PolicyStore } from './policy-store.ts';
export { matchingRule, noRule } from './match-policy.ts';
export {
  type Admitted,
  type Authorization,
  type Denied,
  type DryRunFinding,
  type Explanation,
  type Missing,
  type MissingPolicyRule,
  authorize,
} from './authorize.ts';
export {
  type AttributeText,
  type CompiledHttpPolicy,
  compileHttpPolicy,
  type HttpPolicyText,
  type PolicyFlaw,
  type PolicyPlace,
  type RuleText,
} from './http/compile-http-policy.ts';
export {
  authorizeRequest,
  deniedText,
  type DryRunVerdict,
  HttpPolicySet,
  type RequestAdmitted,
  type RequestAuthorization,
  type RequestDenied,
  type RequestVerdict,
} from './http/authorize-request.ts';
export type { HttpPolicy, HttpPolicyAction } from './http/http-policy.ts';
export type { HttpFacts, RequestFacts, TokenFacts } from './http/request-facts.ts';
export { TextValues } from './http/text-values.ts';
export {
  authenticateRequest,
  type RequestAuthentication,
  type TokenBearer,
  type TokenEdits,
} from './jwt/authenticate-request.ts';
export { type JwtRefusal, jwtRefusalDetails, jwtRefusalStatus, jwtRefusalText } from './jwt/jwt-refusal.ts';
export type { JwtRule, TokenPlace } from './jwt/jwt-rule.ts';
export { KeySet } from './jwt/key-set.ts';
export { TokenClaims } from './jwt/token-claims.ts';
