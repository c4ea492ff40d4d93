/** What of a policy or of token rules is written and not in force at waypoints and gateways. Spec: l7.md sections 4.2, 4.3 and 4.5. */
import type { AuthorizationPolicy, JwtRuleSpec, RequestAuthentication } from '@ambit/kube';
import { compileHttpPolicy, type HttpPolicyText, KeySet } from '@ambit/policy';
import type { MeshSettings } from '../mesh-settings.ts';
import { isDryRun, ruleAttributes } from './authorization-policy.ts';

/** In the order of the object; empty when all of it is in force. The proxies judge with the same functions. */
export function policyProblems(policy: AuthorizationPolicy, settings: MeshSettings): readonly string[] {
  const { trustDomain, trustDomainAliases } = settings;
  const place = { protocol: 'http', trustDomains: [trustDomain, ...trustDomainAliases] } as const;
  const flaws = compileHttpPolicy(wordsOf(policy), place).flaws.map(({ rule, field, reason, effect }) => {
    const consequence = effect === 'rule-dropped' ? 'the rule is left out' : 'the rest of the rule counts alone';
    return `rules[${rule}]: ${field}: ${reason}; ${consequence}`;
  });
  return [...providerProblems(policy, settings), ...ztunnelProblems(policy), ...flaws];
}

/** `ZtunnelAccepted` tells of HTTP; as in Istio it says nothing of trust domains, which are not sent. */
function ztunnelProblems({ spec }: AuthorizationPolicy): readonly string[] {
  if (spec.targets.length > 0) return [];
  return spec.rules.flatMap((rule, index) =>
    rule.from.flat().some(({ field }) => field === 'trustDomains')
      ? [
          `rules[${index}]: trustDomains: ztunnel does not check it, the rest of its source counts alone; write principals`,
        ]
      : [],
  );
}

function providerProblems(policy: AuthorizationPolicy, settings: MeshSettings): readonly string[] {
  const { action, provider, rules, targets } = policy.spec;
  if (action !== 'CUSTOM') return provider === undefined ? [] : [`provider: has no effect with action ${action}`];
  // Of one without targets it is said already that ztunnel does not enforce it.
  if (targets.length === 0) return [];
  const found: string[] = [];
  const isKnown = settings.authorizationProviders.some(({ name }) => name === provider);
  if (isDryRun(policy)) found.push('dry run of action CUSTOM: nobody is asked, and nothing is logged');
  else if (!isKnown)
    found.push(`provider: ${provider ?? 'none'} is not in the mesh configuration; requests that match are refused`);
  rules.forEach((rule, index) => {
    const tokens = ruleAttributes(rule).filter(
      ({ field }) => field === 'requestPrincipals' || field.startsWith('request.auth.'),
    );
    for (const { field } of tokens)
      found.push(`rules[${index}]: ${field}: providers are asked before tokens are looked at, so that there is none`);
  });
  return found;
}

const actions = { ALLOW: 'allow', DENY: 'deny', AUDIT: 'audit', CUSTOM: 'custom' } as const;

function wordsOf(policy: AuthorizationPolicy): HttpPolicyText {
  const { action, provider, rules } = policy.spec;
  const { namespace, name } = policy.metadata;
  return { namespace, name, action: actions[action], provider, isDryRun: isDryRun(policy), rules };
}

/** As `policyProblems`. `isChecked`: false where no proxy that looks at tokens is meant. */
export function tokenProblems({ spec }: RequestAuthentication, isChecked: boolean): readonly string[] {
  const problems = spec.jwtRules.flatMap((rule, index) =>
    ruleProblems(rule).map((problem) => `jwtRules[${index}]${problem}`),
  );
  if (isChecked) return problems;
  const advice = 'ztunnel does not look at tokens; name a Service or a waypoint with targetRefs';
  return [`${spec.selector === undefined ? 'jwtRules' : 'selector'}: no gateway is meant, and ${advice}`, ...problems];
}

function ruleProblems({ issuer, jwks, jwksUri, outputClaimToHeaders }: JwtRuleSpec): readonly string[] {
  const found: string[] = [];
  const keys = keyProblem(issuer, jwks ?? '', jwksUri);
  if (keys !== undefined) found.push(`${keys}; every token of ${issuer} is refused`);
  const headers = outputClaimToHeaders.map(({ header }) => header.toLowerCase());
  const twice = headers.find((header, index) => headers.indexOf(header) !== index);
  if (twice !== undefined) found.push(`.outputClaimToHeaders: ${twice} is there twice; the last claim counts`);
  return found;
}

function keyProblem(issuer: string, jwks: string, jwksUri: string | undefined): string | undefined {
  if (jwks === '') {
    const hasAddress = jwksUri !== undefined || /^https?:\/\//.test(issuer);
    return hasAddress ? undefined : ': the issuer is no address to ask for keys, and there is neither jwks nor jwksUri';
  }
  try {
    KeySet.parse(jwks);
    return undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return `.jwks: ${error.message}`;
  }
}
