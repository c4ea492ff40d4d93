/** Who may: policies and tokens of the levels that act on a service, joined for one evaluation. */
import { access as messages } from '@ambit/api';
import {
  compileHttpPolicy,
  type HttpPolicy,
  type HttpPolicyAction,
  HttpPolicySet,
  type HttpPolicyText,
  type JwtRule,
  KeySet,
  type TokenPlace,
} from '@ambit/policy';

import type { Problems } from './problems.ts';

const { AuthorizationPolicy_Action: Action } = messages;

/** What is attached at one level: policies in the words of their resources, as trust domains are the proxy's to know. */
export interface AccessLevel {
  readonly policies: readonly HttpPolicyText[];
  readonly jwtRules: readonly JwtRule[];
}

export const openLevel: AccessLevel = { policies: [], jwtRules: [] };

/** Ready for decisions. */
export interface Access {
  readonly http: HttpPolicySet;
  /** The same policies as connections see them that are not read as HTTP. */
  readonly tcp: HttpPolicySet;
  readonly jwtRules: readonly JwtRule[];
  /** What of the policies could not be used, and what that made of them: for an operator. */
  readonly flaws: readonly string[];
}

export function compileAccessLevel(
  message: messages.AccessRules | undefined,
  place: string,
  problems: Problems,
): AccessLevel {
  if (message === undefined) return openLevel;
  return {
    policies: message.policies.map((policy) => policyText(policy, place, problems)),
    jwtRules: message.jwtRules.map((rule) => compileJwtRule(rule, place, problems)),
  };
}

/** Joins levels: all their policies count at once, by action, not by level. */
export function joinAccess(levels: readonly AccessLevel[], trustDomains: readonly string[]): Access {
  const flaws: string[] = [];
  const compile = (protocol: 'http' | 'tcp'): readonly HttpPolicy[] =>
    levels.flatMap(({ policies }) =>
      policies.map((text) => {
        const compiled = compileHttpPolicy(text, { protocol, trustDomains });
        for (const { rule, field, reason, effect } of protocol === 'http' ? compiled.flaws : []) {
          flaws.push(`${text.namespace}/${text.name} rule ${rule}, ${field}: ${reason} (${effect})`);
        }
        return compiled.policy;
      }),
    );
  const jwtRules = levels.flatMap((level) => level.jwtRules);
  return {
    http: new HttpPolicySet(compile('http')),
    tcp: new HttpPolicySet(compile('tcp')),
    jwtRules: jwtRules.toSorted((a, b) => (a.issuer < b.issuer ? -1 : a.issuer > b.issuer ? 1 : 0)),
    flaws,
  };
}

function policyText(message: messages.AuthorizationPolicy, place: string, problems: Problems): HttpPolicyText {
  const { namespace, name, provider, dryRun, rules } = message;
  const where = `${place} policy ${namespace}/${name}`;
  const attributes = (
    list: readonly messages.AuthorizationPolicy_Attribute[],
  ): HttpPolicyText['rules'][number]['when'] =>
    list.map(({ field, values, notValues }) => ({ field, values, notValues }));
  return {
    namespace,
    name,
    action: actionOf(message.action, where, problems),
    provider: provider === '' ? undefined : provider,
    isDryRun: dryRun,
    rules: rules.map(({ from, to, when }) => ({
      from: from.map((group) => attributes(group.attributes)),
      to: to.map((group) => attributes(group.attributes)),
      when: attributes(when),
    })),
  };
}

function actionOf(action: messages.AuthorizationPolicy_Action, place: string, problems: Problems): HttpPolicyAction {
  switch (action) {
    case Action.ALLOW:
      return 'allow';
    case Action.DENY:
      return 'deny';
    case Action.AUDIT:
      return 'audit';
    case Action.CUSTOM:
      return 'custom';
    default:
      // What a newer control plane means by it is not known: taking it for something else could open.
      problems.bad(place, `unknown action ${String(action)}`);
      return 'deny';
  }
}

function compileJwtRule(message: messages.JwtRule, place: string, problems: Problems): JwtRule {
  const where = `${place} JWT issuer ${message.issuer}`;
  return {
    issuer: message.issuer,
    audiences: message.audiences,
    places: message.places.flatMap((one) => tokenPlace(one, where, problems)),
    keys: keySet(message.jwks, where, problems),
    forwardsToken: message.forwardToken,
    payloadHeader: message.payloadHeader === '' ? undefined : message.payloadHeader.toLowerCase(),
    claimHeaders: message.claimHeaders.map(({ header, claim }) => ({ header: header.toLowerCase(), claim })),
    spaceDelimitedClaims: message.spaceDelimitedClaims,
  };
}

/** Keys that cannot be read verify nothing: closed, but no reason to refuse the rest of the resource. */
function keySet(jwks: string, place: string, problems: Problems): KeySet {
  if (jwks === '') return KeySet.unavailable;
  try {
    return KeySet.parse(jwks);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.warn(place, `${error.message}; every token is refused`);
    return KeySet.unavailable;
  }
}

function tokenPlace({ kind }: messages.JwtRule_TokenPlace, place: string, problems: Problems): readonly TokenPlace[] {
  switch (kind.case) {
    case 'header':
      return [{ kind: 'header', name: kind.value.name.toLowerCase(), prefix: kind.value.prefix }];
    case 'parameter':
      return [{ kind: 'parameter', name: kind.value }];
    case 'cookie':
      return [{ kind: 'cookie', name: kind.value }];
    case undefined:
      problems.bad(place, 'a place of tokens that is not known here');
      return [];
  }
}
