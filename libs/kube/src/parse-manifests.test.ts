import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { parseManifests } from './parse-manifests.ts';
import { resourceKinds } from './read-resource.ts';
import { formatReport } from './report.ts';

function reports(text: string): string[] {
  return parseManifests('f.yaml', text).reports.map(formatReport);
}

const policy = (spec: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: n }\nspec: ${spec}\n`;
const at = 'f.yaml:4:';

const cases: readonly (readonly [claim: string, text: string, expected: RegExp])[] = [
  [
    'a port as a number',
    policy('{ rules: [{ to: [{ operation: { ports: [80] } }] }] }'),
    /ports\[0\] must be a string; write it in quotes: "80"/,
  ],
  [
    'selector together with targetRefs',
    policy('{ selector: {}, targetRefs: [{ kind: Service, name: x }] }'),
    /selector cannot be combined with targetRefs/,
  ],
  ['a list where a map belongs', policy('{ selector: [] }'), /spec\.selector must be a map/],
  [
    'a map where a list belongs',
    policy('{ rules: { from: [] } }'),
    /spec\.rules must be a list; start each entry with "- "/,
  ],
  [
    'port modes without a selector',
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: p }\nspec: { portLevelMtls: { 80: { mode: STRICT } } }\n',
    /portLevelMtls needs a selector/,
  ],
  [
    'a port key that is no port',
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: p }\nspec: { selector: { matchLabels: { a: b } }, portLevelMtls: { http: { mode: STRICT } } }\n',
    /must be keyed by a port number/,
  ],
  [
    'a host that is an address',
    'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: p }\nspec: { hosts: [10.0.0.1] }\n',
    /hosts holds "10.0.0.1", which is not a host name/,
  ],
  [
    'an upper-case name',
    'apiVersion: v1\nkind: Pod\nmetadata: { name: Web }\nspec: {}\n',
    /metadata\.name must be lower-case letters/,
  ],
  ['a pod without spec', 'apiVersion: v1\nkind: Pod\nmetadata: { name: web }\n', /spec is required/],
];

/** What of a policy is no use is told, and the policy stays: without it, what it refuses would be open. */
const kept: typeof cases = [
  [
    'a port that is none',
    policy('{ rules: [{ to: [{ operation: { ports: ["http"] } }] }] }'),
    /holds "http", which is not a port number/,
  ],
  [
    'an address block that is none',
    policy('{ rules: [{ from: [{ source: { ipBlocks: [10.0.0.0/33] } }] }] }'),
    /ipBlocks holds "10.0.0.0\/33"/,
  ],
  [
    'an empty source',
    policy('{ rules: [{ from: [{ source: {} }] }] }'),
    /source must name at least one source; to match every caller leave out "from"/,
  ],
  [
    'a condition without values',
    policy('{ rules: [{ when: [{ key: source.ip }] }] }'),
    /values or notValues is required/,
  ],
];

for (const [claim, text, expected] of kept) {
  test(`${claim} is told, and the policy is kept`, () => {
    const { resources, reports: found } = parseManifests('f.yaml', text);
    assert.equal(resources.length, 1);
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ['warning'],
    );
    assert.match(found[0]?.message ?? '', expected);
  });
}

for (const [claim, text, expected] of cases) {
  test(`${claim} is refused with a message that says what to do`, () => {
    const found = reports(text);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', expected);
    assert.match(found[0] ?? '', /^f\.yaml:\d+:\d+: error: .*; this object is not in force$/);
    assert.deepEqual(parseManifests('f.yaml', text).resources, []);
  });
}

test('a value inside a flow map is found by line and column', () => {
  assert.ok(reports(policy('{ action: DENNY }'))[0]?.startsWith(`${at}9: `));
});

test('labels named like parts of the language are plain labels', () => {
  const [found] = parseManifests(
    'f.yaml',
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: x, labels: { __proto__: a, constructor: b } }\n',
  ).resources;
  assert.deepEqual(Object.entries(found?.metadata.labels ?? {}), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  assert.equal(Object.getPrototypeOf(found?.metadata.labels), Object.prototype);
});

test('no text makes the parser throw', () => {
  const pieces = fc.constantFrom(
    'apiVersion: v1\n',
    'kind: Pod\n',
    'metadata:\n',
    '  name: x\n',
    '- ',
    '---\n',
    '&a ',
    '*a',
    '{',
    '}',
    '[',
    ']',
    '"',
    ': ',
    '\t',
    '? ',
    '|\n',
    '!!binary x',
    '<<: *a\n',
    '\u0000',
    '%YAML 9\n',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 8 })), { maxLength: 20 }), (parts) => {
      parseManifests('f.yaml', parts.join(''));
    }),
    { numRuns: 500, seed: 20261121 },
  );
});

test('no shape of an object makes the readers throw', () => {
  const names = fc.constantFrom(
    'name',
    'namespace',
    'labels',
    'selector',
    'matchLabels',
    'rules',
    'from',
    'source',
    'principals',
    'ports',
    'port',
    'status',
    'podIPs',
    'ip',
    'hosts',
    'endpoints',
    'addresses',
    'mtls',
    'mode',
    'portLevelMtls',
    '80',
    'containers',
    '__proto__',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, true, 0, 80, 1.5, '', 'STRICT', '10.0.0.1'),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(names, tie('tree'), { maxKeys: 5 }),
    ),
  }));
  const apiVersions = fc.constantFrom('v1', 'discovery.k8s.io/v1', 'security.istio.io/v1', 'networking.istio.io/v1');
  const object = fc.record({
    apiVersion: apiVersions,
    kind: fc.constantFrom(...resourceKinds),
    metadata: fc.oneof(fc.constant({ name: 'x' }), tree),
    spec: tree,
    status: tree,
  });
  fc.assert(
    fc.property(object, (value) => {
      const { resources, reports: found } = parseManifests(
        'f.yaml',
        stringify(value, { aliasDuplicateObjects: false }),
      );
      assert.ok(resources.length === 1 || found.length > 0);
    }),
    { numRuns: 300, seed: 20261121 },
  );
});
