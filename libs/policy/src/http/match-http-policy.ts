/** Evaluation of one policy against one request. Pure. Spec: contract l7 4.2. */
import { assertNever } from '@ambit/runtime';

import { type IpPrefix, prefixContains } from '../ip-prefix.ts';
import type { Glob } from './glob.ts';
import type { AttributeTest, ConditionGroup, HttpPolicy } from './http-policy.ts';
import type { RequestFacts } from './request-facts.ts';

/** The first rule that matches, as its position in the resource; undefined if none does. */
export function matchingHttpRule(policy: HttpPolicy, facts: RequestFacts): number | undefined {
  for (const rule of policy.rules) {
    if (anyHolds(rule.from, facts) && anyHolds(rule.to, facts) && allHold(rule.when, facts)) return rule.index;
  }
  return undefined;
}

function anyHolds(groups: readonly ConditionGroup[], facts: RequestFacts): boolean {
  if (groups.length === 0) return true;
  for (const group of groups) if (allHold(group, facts)) return true;
  return false;
}

function allHold(group: ConditionGroup, facts: RequestFacts): boolean {
  for (const { test, isNegated } of group) if (testHolds(test, facts) === isNegated) return false;
  return true;
}

/** Whether any value of the test is the request's; false where the request has no such attribute. */
function testHolds(test: AttributeTest, facts: RequestFacts): boolean {
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
    case 'header':
      return test.values.matches(http?.header(test.name));
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
