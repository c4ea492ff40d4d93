/** Evaluation of one policy against one request. Pure. Spec: contract l7 4.2. */
import { assertNever } from '@ambit/runtime';

import { type IpPrefix, prefixContains } from '../ip-prefix.ts';
import type { Glob } from './glob.ts';
import type { AttributeTest, ConditionGroup, HttpPolicy } from './http-policy.ts';
import type { RequestFacts } from './request-facts.ts';

type HeaderTest = AttributeTest & { readonly kind: 'header' };

/** The first rule that matches, as its position in the resource; undefined if none does. */
export function matchingHttpRule(policy: HttpPolicy, facts: RequestFacts): number | undefined {
  const opens = policy.action === 'allow';
  for (const rule of policy.rules) {
    if (anyHolds(rule.from, facts, opens) && anyHolds(rule.to, facts, opens) && allHold(rule.when, facts, opens)) {
      return rule.index;
    }
  }
  return undefined;
}

function anyHolds(groups: readonly ConditionGroup[], facts: RequestFacts, opens: boolean): boolean {
  if (groups.length === 0) return true;
  for (const group of groups) if (allHold(group, facts, opens)) return true;
  return false;
}

function allHold(group: ConditionGroup, facts: RequestFacts, opens: boolean): boolean {
  for (const { test, isNegated } of group) {
    const holds = test.kind === 'header' ? headerHolds(test, facts, opens !== isNegated) : testHolds(test, facts);
    if (holds === isNegated) return false;
  }
  return true;
}

/**
 * A field that came once, or joined as Istio joins it. Of several it is not known which one the backend takes: what opens needs
 * the joined text and each of them (`isStrict`), what closes is content with any. Class: CVE-2026-26308.
 */
function headerHolds(test: HeaderTest, { http }: RequestFacts, isStrict: boolean): boolean {
  const isJoinedMatch = test.values.matches(http?.header(test.name));
  const repeated = http?.repeatedHeader?.(test.name);
  if (repeated === undefined) return isJoinedMatch;
  return isStrict
    ? isJoinedMatch && repeated.every((value) => test.values.matches(value))
    : isJoinedMatch || repeated.some((value) => test.values.matches(value));
}

/** Whether any value of the test is the request's; false where the request has no such attribute. */
function testHolds(test: Exclude<AttributeTest, HeaderTest>, facts: RequestFacts): boolean {
  const { http, peer } = facts;
  switch (test.kind) {
    case 'principal':
      return test.values.matches(peer?.principal);
    case 'namespace':
      return peer !== undefined && anyGlob(test.globs, peer.namespace);
    case 'serviceAccount':
      return peer !== undefined && test.accounts.has(`${peer.namespace}/${peer.serviceAccount}`);
    case 'trustDomain':
      return peer !== undefined && anyGlob(test.globs, peer.trustDomain);
    case 'sourceIp':
      return anyContains(test.prefixes, facts.sourceIp);
    case 'remoteIp':
      return anyContains(test.prefixes, facts.remoteIp);
    case 'destinationIp':
      return anyContains(test.prefixes, facts.destinationIp);
    case 'destinationPort':
      return test.ports.has(facts.destinationPort);
    case 'serverName':
      return test.values.matches(facts.serverName);
    case 'host':
      return test.values.matches(http?.host);
    case 'method':
      return test.values.matches(http?.method);
    case 'path':
      return http !== undefined && (test.values.matches(http.path) || test.templates.some((t) => t.matches(http.path)));
    case 'requestPrincipal':
      return test.principals.matches(http?.token);
    case 'audience':
      return (http?.token?.audiences ?? []).some((audience) => test.values.matches(audience));
    case 'presenter':
      return test.values.matches(http?.token?.presenter);
    case 'claim':
      return (http?.token?.claim(test.path) ?? []).some((claim) => test.values.matches(claim));
    default:
      return assertNever(test);
  }
}

function anyGlob(globs: readonly Glob[], text: string): boolean {
  for (const glob of globs) if (glob.matches(text)) return true;
  return false;
}

function anyContains(prefixes: readonly IpPrefix[], address: Uint8Array): boolean {
  for (const prefix of prefixes) if (prefixContains(prefix, address)) return true;
  return false;
}
