/**
 * Decoding and validation of one Authorization resource. Bounded before anything is built, never
 * throws: what is wrong comes back as a sentence for the NACK.
 * Spec: contract data-plane 6.1 and 6.4.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { security } from '@ambit/api';
import { type IpPrefix, ipPrefix } from './ip-prefix.ts';
import type { Clause, Match, Policy, PolicyAction, PolicyScope, Rule } from './policy.ts';
import { type StringMatch, StringMatcher } from './string-matcher.ts';

/** Limits of one resource; a resource above them is rejected as a whole. */
export interface PolicyLimits {
  readonly maxEncodedBytes: number;
  readonly maxRules: number;
  /** Clauses, matches and list values of all rules taken together. */
  readonly maxParts: number;
}

/** Generous for people, small for memory: the largest policy costs a few megabytes. */
export const defaultPolicyLimits: PolicyLimits = {
  maxEncodedBytes: 4 * 1024 * 1024,
  maxRules: 4096,
  maxParts: 100_000,
};

/** A policy, or why the resource is refused. */
export type DecodedPolicy =
  | {
      readonly kind: 'policy';
      readonly policy: Policy;
      /** Values that could not be understood and were left out, as Istio's ztunnel does. */
      readonly droppedValues: number;
    }
  | { readonly kind: 'rejected'; readonly reason: string };

/** Decodes the bytes of an `istio.security.Authorization`. */
export function decodePolicy(bytes: Uint8Array, limits: PolicyLimits = defaultPolicyLimits): DecodedPolicy {
  if (bytes.length > limits.maxEncodedBytes) {
    return rejected(`policy of ${bytes.length} bytes is larger than ${limits.maxEncodedBytes}`);
  }
  let message: security.Authorization;
  try {
    message = fromBinary(security.AuthorizationSchema, bytes);
  } catch (error) {
    return rejected(`decode error: ${error instanceof Error ? error.message : String(error)}`);
  }
  return compilePolicy(message, limits);
}

/** Validates and compiles a decoded message. */
export function compilePolicy(
  message: security.Authorization,
  limits: PolicyLimits = defaultPolicyLimits,
): DecodedPolicy {
  const scope = scopes.get(message.scope);
  if (scope === undefined) return rejected(`unknown scope ${message.scope}`);
  const action = actions.get(message.action);
  if (action === undefined) return rejected(`unknown action ${message.action}`);
  if (message.rules.length > limits.maxRules) {
    return rejected(`${message.rules.length} rules are more than ${limits.maxRules}`);
  }
  const compiler = new Compiler();
  const rules: Rule[] = [];
  for (const rule of message.rules) {
    rules.push(compiler.rule(rule));
    if (compiler.parts > limits.maxParts) {
      return rejected(`more than ${limits.maxParts} clauses, matches and values`);
    }
  }
  const { name, namespace, dryRun } = message;
  const policy: Policy = { name, namespace, scope, action, dryRun, rules };
  return { kind: 'policy', policy, droppedValues: compiler.dropped };
}

const scopes: ReadonlyMap<number, PolicyScope> = new Map<number, PolicyScope>([
  [security.Scope.GLOBAL, 'global'],
  [security.Scope.NAMESPACE, 'namespace'],
  [security.Scope.WORKLOAD_SELECTOR, 'workload-selector'],
]);

const actions: ReadonlyMap<number, PolicyAction> = new Map<number, PolicyAction>([
  [security.Action.ALLOW, 'allow'],
  [security.Action.DENY, 'deny'],
]);

function rejected(reason: string): DecodedPolicy {
  return { kind: 'rejected', reason };
}

class Compiler {
  parts = 0;
  dropped = 0;

  rule(rule: security.Rule): Rule {
    this.parts += rule.clauses.length;
    return { clauses: rule.clauses.map((clause) => this.#clause(clause)) };
  }

  #clause(clause: security.Clause): Clause {
    this.parts += clause.matches.length;
    return { matches: clause.matches.map((match) => this.#match(match)) };
  }

  #match(match: security.Match): Match {
    const lists = {
      namespaces: this.#strings(match.namespaces),
      notNamespaces: this.#strings(match.notNamespaces),
      principals: this.#strings(match.principals),
      notPrincipals: this.#strings(match.notPrincipals),
      serviceAccounts: this.#accounts(match.serviceAccounts),
      notServiceAccounts: this.#accounts(match.notServiceAccounts),
      sourceIps: this.#prefixes(match.sourceIps),
      notSourceIps: this.#prefixes(match.notSourceIps),
      destinationIps: this.#prefixes(match.destinationIps),
      notDestinationIps: this.#prefixes(match.notDestinationIps),
      destinationPorts: this.#ports(match.destinationPorts),
      notDestinationPorts: this.#ports(match.notDestinationPorts),
    };
    const isEmpty =
      lists.namespaces.size +
        lists.notNamespaces.size +
        lists.principals.size +
        lists.notPrincipals.size +
        lists.serviceAccounts.length +
        lists.notServiceAccounts.length +
        lists.sourceIps.length +
        lists.notSourceIps.length +
        lists.destinationIps.length +
        lists.notDestinationIps.length +
        lists.destinationPorts.length +
        lists.notDestinationPorts.length ===
      0;
    return { isEmpty, ...lists };
  }

  #strings(values: readonly security.StringMatch[]): StringMatcher {
    this.parts += values.length;
    if (values.length === 0) return noStrings;
    const matches: StringMatch[] = [];
    for (const { matchType } of values) {
      if (matchType.case === undefined) this.dropped++;
      else if (matchType.case === 'presence') matches.push({ kind: 'presence' });
      else matches.push({ kind: matchType.case, value: matchType.value });
    }
    return new StringMatcher(matches);
  }

  #accounts(values: readonly security.ServiceAccountMatch[]): Match['serviceAccounts'] {
    this.parts += values.length;
    return values.map(({ namespace, serviceAccount }) => ({ namespace, serviceAccount }));
  }

  #prefixes(values: readonly security.Address[]): IpPrefix[] {
    this.parts += values.length;
    const prefixes: IpPrefix[] = [];
    for (const value of values) {
      const prefix = ipPrefix(value.address, value.length);
      if (prefix === undefined) this.dropped++;
      else prefixes.push(prefix);
    }
    return prefixes;
  }

  /** Ports are truncated to 16 bits, not refused. */
  #ports(values: readonly number[]): number[] {
    this.parts += values.length;
    return values.map((port) => port & 0xffff);
  }
}

const noStrings: StringMatcher = new StringMatcher([]);
