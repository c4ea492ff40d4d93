import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { security } from '@ambit/api';
import fc from 'fast-check';
import type { ConnectionContext } from './connection-context.ts';
import { peerIdentity } from './connection-context.ts';
import { decodePolicy, defaultPolicyLimits } from './decode-policy.ts';
import { matchingRule, noRule } from './match-policy.ts';

const few = ['', 'a', 'ab', 'b', 'td/ns/a/sa/b', 'td/ns/ab/sa/a'] as const;
const word = fc.constantFrom(...few);
const stringMatch = fc
  .oneof(
    fc.record({ case: fc.constantFrom('exact' as const, 'prefix' as const, 'suffix' as const), value: word }),
    fc.constant({ case: 'presence' as const, value: {} }),
    fc.constant({ case: undefined }),
  )
  .map((matchType) => ({ matchType }));
const octet = fc.constantFrom(0, 1, 10, 128, 255);
const ipBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.tuple(octet, octet, octet, octet).map((parts) => Uint8Array.from(parts)),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);
const address = fc.record({
  address: fc.oneof({ weight: 9, arbitrary: ipBytes }, fc.uint8Array({ maxLength: 5 })),
  length: fc.nat({ max: 34 }),
});
const account = fc.record({ namespace: word, serviceAccount: word });
const port = fc.constantFrom(0, 80, 8080, 65_616);
const list = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant<T[]>([]) }, fc.array(item, { maxLength: 2 }));
const match = fc.record({
  namespaces: list(stringMatch),
  notNamespaces: list(stringMatch),
  principals: list(stringMatch),
  notPrincipals: list(stringMatch),
  sourceIps: list(address),
  notSourceIps: list(address),
  destinationIps: list(address),
  notDestinationIps: list(address),
  destinationPorts: list(port),
  notDestinationPorts: list(port),
  serviceAccounts: list(account),
  notServiceAccounts: list(account),
});
const clause = fc.record({ matches: fc.array(match, { maxLength: 2 }) });
const rule = fc.record({ clauses: fc.array(clause, { maxLength: 2 }) });
const message = fc
  .record({ rules: fc.array(rule, { maxLength: 3 }) })
  .map((init) => create(security.AuthorizationSchema, init));
const identity = fc.option(
  fc
    .record({ ns: fc.constantFrom('a', 'ab'), sa: fc.constantFrom('a', 'b') })
    .map(({ ns, sa }) => peerIdentity('td', ns, sa)),
  { nil: undefined },
);
const context: fc.Arbitrary<ConnectionContext> = fc.record({
  sourceIp: ipBytes,
  sourceIdentity: identity,
  destinationIp: ipBytes,
  destinationPort: fc.constantFrom(80, 8080),
});

/** The rules of the contract, written naively over the message and over text of bits. */
function reference(policy: security.Authorization, c: ConnectionContext): boolean {
  const bits = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(2).padStart(8, '0')).join('');
  const text = (value: string | undefined, m: security.StringMatch) => {
    if (value === undefined) return false;
    const { matchType } = m;
    if (matchType.case === 'exact') return value === matchType.value;
    if (matchType.case === 'prefix') return value.startsWith(matchType.value);
    if (matchType.case === 'suffix') return value.endsWith(matchType.value);
    return value.length > 0;
  };
  const within = (ip: Uint8Array, a: security.Address) =>
    a.address.length === ip.length && bits(ip).startsWith(bits(a.address).slice(0, a.length));
  const set = (m: security.StringMatch) => m.matchType.case !== undefined;
  const valid = (a: security.Address) => [4, 16].includes(a.address.length) && a.length <= a.address.length * 8;
  const id = c.sourceIdentity;
  const own = (a: security.ServiceAccountMatch) =>
    a.namespace === id?.namespace && a.serviceAccount === id.serviceAccount;
  return policy.rules.some((r) =>
    r.clauses.every(
      (cl) =>
        cl.matches.length === 0 ||
        cl.matches.some((m) => {
          const ns = (s: security.StringMatch) => text(id?.namespace ?? '', s);
          const principal = (s: security.StringMatch) => text(id?.principal, s);
          const fields: [boolean[], boolean[]][] = [
            [m.namespaces.filter(set).map(ns), m.notNamespaces.filter(set).map(ns)],
            [m.principals.filter(set).map(principal), m.notPrincipals.filter(set).map(principal)],
            [
              m.sourceIps.filter(valid).map((a) => within(c.sourceIp, a)),
              m.notSourceIps.filter(valid).map((a) => within(c.sourceIp, a)),
            ],
            [
              m.destinationIps.filter(valid).map((a) => within(c.destinationIp, a)),
              m.notDestinationIps.filter(valid).map((a) => within(c.destinationIp, a)),
            ],
            [
              m.destinationPorts.map((p) => p % 65_536 === c.destinationPort),
              m.notDestinationPorts.map((p) => p % 65_536 === c.destinationPort),
            ],
            [m.serviceAccounts.map(own), m.notServiceAccounts.map(own)],
          ];
          if (fields.every(([yes, no]) => yes.length + no.length === 0)) return false;
          return fields.every(([yes, no]) => (yes.length === 0 || yes.includes(true)) && !no.includes(true));
        }),
    ),
  );
}

test('the compiled form agrees with a naive reading of the contract', () => {
  let hits = 0;
  fc.assert(
    fc.property(message, context, (policy, c) => {
      const decoded = decodePolicy(toBinary(security.AuthorizationSchema, policy));
      if (decoded.kind !== 'policy') return assert.fail(decoded.reason);
      const expected = reference(policy, c);
      if (expected) hits++;
      assert.equal(matchingRule(decoded.policy, c) !== noRule, expected);
    }),
    { numRuns: 3000, seed: 20_261_121 },
  );
  assert.ok(hits > 100, `only ${hits} of the generated cases matched`);
});

test('arbitrary bytes are decoded or refused, never thrown at the caller', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.ok(['policy', 'rejected'].includes(decodePolicy(bytes).kind));
    }),
    { numRuns: 3000, seed: 20_261_121 },
  );
});

test('a damaged policy is decoded or refused, never thrown at the caller', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat({ max: 255 }), (policy, at, value) => {
      const bytes = toBinary(security.AuthorizationSchema, policy);
      if (bytes.length > 0) bytes[at % bytes.length] = value;
      assert.ok(['policy', 'rejected'].includes(decodePolicy(bytes).kind));
    }),
    { numRuns: 2000, seed: 20_261_121 },
  );
});

function reasonFor(
  init: Parameters<typeof create<typeof security.AuthorizationSchema>>[1],
  limits = defaultPolicyLimits,
): string {
  const bytes = toBinary(security.AuthorizationSchema, create(security.AuthorizationSchema, init));
  const decoded = decodePolicy(bytes, limits);
  return decoded.kind === 'rejected' ? decoded.reason : 'accepted';
}

test('an unknown scope or action refuses the resource', () => {
  assert.match(reasonFor({ scope: 7 as security.Scope }), /unknown scope 7/);
  assert.match(reasonFor({ action: 2 as security.Action }), /unknown action 2/);
});

test('a policy above a limit is refused', () => {
  const rules = [{ clauses: [{ matches: [{ destinationPorts: [1, 2, 3] }] }] }, {}];
  assert.match(reasonFor({ rules }, { ...defaultPolicyLimits, maxRules: 1 }), /2 rules are more than 1/);
  assert.match(reasonFor({ rules }, { ...defaultPolicyLimits, maxParts: 4 }), /more than 4/);
  assert.match(reasonFor({ rules }, { ...defaultPolicyLimits, maxEncodedBytes: 4 }), /is larger than 4/);
  assert.equal(reasonFor({ rules }), 'accepted');
});

test('values that are not understood are counted', () => {
  const rules = [
    { clauses: [{ matches: [{ principals: [{}], sourceIps: [{ address: Uint8Array.of(1), length: 0 }] }] }] },
  ];
  const bytes = toBinary(security.AuthorizationSchema, create(security.AuthorizationSchema, { rules }));
  const decoded = decodePolicy(bytes);
  assert.equal(decoded.kind === 'policy' && decoded.droppedValues, 2);
});
