import type { IpPrefix } from '../ip-prefix.ts';
import type { Glob } from './glob.ts';
import type { PathTemplate } from './path-template.ts';
import type { TextValues } from './text-values.ts';
import type { TokenPrincipals } from './token-principal.ts';

/** What a matching policy does. Spec: contract l7 4.2. */
export type HttpPolicyAction = 'allow' | 'deny' | 'audit' | 'custom';

/** What is looked at, with the values any of which suffices. */
export type AttributeTest =
  | { readonly kind: 'principal'; readonly values: TextValues }
  | { readonly kind: 'namespace'; readonly globs: readonly Glob[] }
  | { readonly kind: 'serviceAccount'; readonly accounts: ReadonlySet<string> }
  | { readonly kind: 'trustDomain'; readonly globs: readonly Glob[] }
  | { readonly kind: 'requestPrincipal'; readonly principals: TokenPrincipals }
  | { readonly kind: 'audience'; readonly values: TextValues }
  | { readonly kind: 'presenter'; readonly values: TextValues }
  | { readonly kind: 'claim'; readonly path: readonly string[]; readonly values: TextValues }
  | { readonly kind: 'sourceIp'; readonly prefixes: readonly IpPrefix[] }
  | { readonly kind: 'remoteIp'; readonly prefixes: readonly IpPrefix[] }
  | { readonly kind: 'destinationIp'; readonly prefixes: readonly IpPrefix[] }
  | { readonly kind: 'destinationPort'; readonly ports: ReadonlySet<number> }
  | { readonly kind: 'serverName'; readonly values: TextValues }
  | { readonly kind: 'host'; readonly values: TextValues }
  | { readonly kind: 'method'; readonly values: TextValues }
  | { readonly kind: 'path'; readonly values: TextValues; readonly templates: readonly PathTemplate[] }
  | { readonly kind: 'header'; readonly name: string; readonly values: TextValues };

/** One field of a source or operation, or one `when`; `isNegated` for the `not...` forms. */
export interface AttributeCondition {
  readonly test: AttributeTest;
  readonly isNegated: boolean;
}

/** Conditions that must all hold; an empty group always holds. */
export type ConditionGroup = readonly AttributeCondition[];

/** Matches if any `from`, any `to` and all of `when` do; a list without groups counts as true. */
export interface HttpRule {
  /** Position in the resource, for logs; rules that could not be used are left out, not renumbered. */
  readonly index: number;
  readonly from: readonly ConditionGroup[];
  readonly to: readonly ConditionGroup[];
  readonly when: ConditionGroup;
}

/** A policy of a waypoint or gateway in the form in which it is evaluated. Without rules it never matches. */
export interface HttpPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly action: HttpPolicyAction;
  /** Of `custom`: the name of the external authorisation provider. */
  readonly provider: string | undefined;
  readonly isDryRun: boolean;
  readonly rules: readonly HttpRule[];
}
