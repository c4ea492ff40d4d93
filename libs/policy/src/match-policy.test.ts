import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { security } from '@ambit/api';
import { type ConnectionContext, peerIdentity } from './connection-context.ts';
import { compilePolicy } from './decode-policy.ts';
import { matchingRule, noRule } from './match-policy.ts';

type MatchInit = MessageInitShape<typeof security.MatchSchema>;
type RulesInit = MessageInitShape<typeof security.RuleSchema>[];

const mesh: ConnectionContext = {
  sourceIp: Uint8Array.of(10, 1, 2, 3),
  sourceIdentity: peerIdentity('td', 'shop', 'web'),
  destinationIp: Uint8Array.from([0xfd, 0, ...new Array<number>(13).fill(0), 9]),
  destinationPort: 8080,
};
const plaintext: ConnectionContext = { ...mesh, sourceIdentity: undefined };

function matches(rules: RulesInit, context: ConnectionContext): boolean {
  const decoded = compilePolicy(create(security.AuthorizationSchema, { rules }));
  if (decoded.kind !== 'policy') return assert.fail(decoded.reason);
  return matchingRule(decoded.policy, context) !== noRule;
}

function one(match: MatchInit): RulesInit {
  return [{ clauses: [{ matches: [match] }] }];
}

const exact = (value: string) => ({ matchType: { case: 'exact' as const, value } });
const prefix = (value: string) => ({ matchType: { case: 'prefix' as const, value } });
const suffix = (value: string) => ({ matchType: { case: 'suffix' as const, value } });
const presence = { matchType: { case: 'presence' as const, value: {} } };
const unset = {};
const cidr = (length: number, ...bytes: number[]) => ({ address: Uint8Array.from(bytes), length });
const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3];

const table: readonly [name: string, rules: RulesInit, mesh: boolean, plaintext: boolean][] = [
  ['no rules never match', [], false, false],
  ['a rule without clauses always matches', [{ clauses: [] }], true, true],
  ['a clause without matches always matches', [{ clauses: [{ matches: [] }] }], true, true],
  ['an empty match never matches', one({}), false, false],
  [
    'an empty match beside another one is skipped',
    [{ clauses: [{ matches: [{}, { destinationPorts: [8080] }] }] }],
    true,
    true,
  ],
  ['rules are alternatives', [...one({ destinationPorts: [1] }), ...one({ destinationPorts: [8080] })], true, true],
  [
    'clauses must all match',
    [{ clauses: [{ matches: [{ destinationPorts: [8080] }] }, { matches: [{ destinationPorts: [1] }] }] }],
    false,
    false,
  ],
  [
    'matches are alternatives',
    [{ clauses: [{ matches: [{ destinationPorts: [1] }, { destinationPorts: [8080] }] }] }],
    true,
    true,
  ],
  ['fields must all match', one({ destinationPorts: [8080], namespaces: [exact('other')] }), false, false],
  ['values of a field are alternatives', one({ namespaces: [exact('other'), exact('shop')] }), true, false],
  ['a principal is compared without spiffe://', one({ principals: [exact('td/ns/shop/sa/web')] }), true, false],
  [
    'a principal with spiffe:// never matches',
    one({ principals: [exact('spiffe://td/ns/shop/sa/web')] }),
    false,
    false,
  ],
  ['a principal prefix', one({ principals: [prefix('td/ns/shop/')] }), true, false],
  ['a principal suffix', one({ principals: [suffix('/sa/web')] }), true, false],
  ['principal presence asks for an identity', one({ principals: [presence] }), true, false],
  ['an empty principal prefix needs an identity too', one({ principals: [prefix('')] }), true, false],
  ['not principal presence means plaintext', one({ notPrincipals: [presence] }), false, true],
  ['not principals', one({ notPrincipals: [exact('td/ns/shop/sa/web')] }), false, true],
  ['a namespace', one({ namespaces: [exact('shop')] }), true, false],
  ['a namespace prefix', one({ namespaces: [prefix('sh')] }), true, false],
  ['namespace presence', one({ namespaces: [presence] }), true, false],
  ['plaintext has the empty namespace', one({ namespaces: [exact('')] }), false, true],
  ['not namespaces', one({ notNamespaces: [exact('shop')] }), false, true],
  ['a service account', one({ serviceAccounts: [{ namespace: 'shop', serviceAccount: 'web' }] }), true, false],
  [
    'a service account of another namespace',
    one({ serviceAccounts: [{ namespace: 'x', serviceAccount: 'web' }] }),
    false,
    false,
  ],
  ['not service accounts', one({ notServiceAccounts: [{ namespace: 'shop', serviceAccount: 'web' }] }), false, true],
  ['a source address', one({ sourceIps: [cidr(32, 10, 1, 2, 3)] }), true, true],
  ['a source prefix of odd length', one({ sourceIps: [cidr(9, 10, 127, 0, 0)] }), true, true],
  ['a source prefix that differs in its last bit', one({ sourceIps: [cidr(16, 10, 0, 0, 0)] }), false, false],
  ['the prefix of length zero', one({ sourceIps: [cidr(0, 0, 0, 0, 0)] }), true, true],
  ['the other family never matches', one({ sourceIps: [cidr(0, ...new Array<number>(16).fill(0))] }), false, false],
  ['a v4-mapped prefix is not an IPv4 prefix', one({ sourceIps: [cidr(128, ...mapped)] }), false, false],
  ['not source addresses', one({ notSourceIps: [cidr(8, 10, 0, 0, 0)] }), false, false],
  [
    'a destination prefix of IPv6',
    one({ destinationIps: [cidr(8, 0xfd, ...new Array<number>(15).fill(0))] }),
    true,
    true,
  ],
  [
    'not destination addresses',
    one({ notDestinationIps: [cidr(8, 0xfe, ...new Array<number>(15).fill(0))] }),
    true,
    true,
  ],
  ['a port', one({ destinationPorts: [8080] }), true, true],
  ['a port is truncated to 16 bits', one({ destinationPorts: [65_536 + 8080] }), true, true],
  ['not ports', one({ notDestinationPorts: [8080] }), false, false],
  ['an unset string match is dropped, which can leave the match empty', one({ principals: [unset] }), false, false],
  ['an unset string match beside a port', one({ principals: [unset], destinationPorts: [8080] }), true, true],
  ['an address that is none is dropped', one({ sourceIps: [cidr(8, 1, 2, 3)] }), false, false],
  ['a prefix that is too long is dropped', one({ sourceIps: [cidr(33, 10, 1, 2, 3)] }), false, false],
];

for (const [name, rules, withIdentity, without] of table) {
  test(name, () => {
    assert.equal(matches(rules, mesh), withIdentity, 'connection with an identity');
    assert.equal(matches(rules, plaintext), without, 'plaintext connection');
  });
}
