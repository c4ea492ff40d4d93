/** A request, rules and policies for tests, and whether the one passes the others. */
import assert from 'node:assert/strict';
import { parseIp } from '@ambit/net';
import {
  authorizeRequest,
  compileHttpPolicy,
  type HttpFacts,
  type HttpPolicyAction,
  HttpPolicySet,
  type HttpPolicyText,
  peerIdentity,
  type PolicyPlace,
  type RequestFacts,
  type RuleText,
  type TokenFacts,
} from '../../index.ts';

export const place: PolicyPlace = { protocol: 'http', trustDomains: ['mesh.local', 'old.local'] };

function ip(text: string): Uint8Array {
  const parsed = parseIp(text);
  assert.ok(parsed, text);
  return parsed.bytes;
}

export function token(
  changes: Partial<TokenFacts> = {},
  claims: Readonly<Record<string, readonly string[]>> = {},
): TokenFacts {
  return {
    issuer: 'https://issuer.example',
    subject: 'alice',
    audiences: ['shop', 'admin'],
    presenter: 'app-1',
    claim: (path) => claims[path.join('.')] ?? [],
    ...changes,
  };
}

const headers: Readonly<Record<string, string>> = { 'x-team': 'blue', 'x-empty': '', 'x-list': 'a,b' };

export const http: HttpFacts = {
  method: 'GET',
  host: 'Shop.example.com:8080',
  path: '/api/v1/items',
  token: token({}, { groups: ['dev', 'ops'], 'realm.role': ['editor'], scope: ['read', 'write'] }),
  header: (name) => headers[name],
};

export const request: RequestFacts = {
  peer: peerIdentity('mesh.local', 'web', 'frontend'),
  sourceIp: ip('10.1.2.3'),
  remoteIp: ip('203.0.113.9'),
  destinationIp: ip('10.96.0.7'),
  destinationPort: 80,
  serverName: 'shop.example.com',
  http,
};

export function rule(
  part: 'from' | 'to' | 'when',
  field: string,
  values: readonly string[],
  notValues: readonly string[] = [],
): RuleText {
  const attribute = { field, values, notValues };
  return {
    from: part === 'from' ? [[attribute]] : [],
    to: part === 'to' ? [[attribute]] : [],
    when: part === 'when' ? [attribute] : [],
  };
}

export function policy(
  action: HttpPolicyAction,
  rules: readonly RuleText[],
  changes: Partial<HttpPolicyText> = {},
): HttpPolicyText {
  return { namespace: 'shop', name: 'p', action, provider: undefined, isDryRun: false, rules, ...changes };
}

export function passes(
  texts: readonly HttpPolicyText[],
  facts: RequestFacts = request,
  where: PolicyPlace = place,
): boolean {
  const set = new HttpPolicySet(texts.map((text) => compileHttpPolicy(text, where).policy));
  return authorizeRequest(set, facts).kind === 'admitted';
}
