import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Pod, Service } from '@ambit/kube';
import { podAddress, serviceAddress } from './address-plan.ts';
import { enclose } from './enclosure.ts';
import { readLabFile } from './lab-file.ts';
import { LabTokens } from './lab-tokens.ts';
import { expand } from './pod-manifest.ts';
import { answerQuery } from './resolver.ts';
import { renderServiceRules } from './service-rules.ts';

const origin = { file: 'x.yaml', line: 1, column: 1 };
const meta = {
  labels: {},
  annotations: {},
  uid: 'u',
  creationTimestamp: undefined,
  deletionTimestamp: undefined,
  generateName: undefined,
  ownerReferences: [],
};

function pod(name: string, addresses: readonly string[], isReady = true): Pod {
  return {
    kind: 'Pod',
    origin,
    metadata: { ...meta, name, namespace: 'shop', labels: { app: 'web' } },
    spec: {
      nodeName: 'n',
      serviceAccountName: 'web',
      hostNetwork: false,
      containers: [
        { name: 'c', restartPolicy: undefined, ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] },
      ],
      initContainers: [],
    },
    status: { phase: 'Running', podIPs: addresses, isReady },
  };
}

function service(name: string, clusterIPs: readonly string[]): Service {
  return {
    kind: 'Service',
    origin,
    metadata: { ...meta, name, namespace: 'shop' },
    spec: {
      type: 'ClusterIP',
      clusterIPs,
      ipFamilies: [],
      selector: { app: 'web' },
      ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP', appProtocol: undefined }],
      publishNotReadyAddresses: false,
      internalTrafficPolicy: 'Cluster',
      trafficDistribution: undefined,
    },
    status: { conditions: [] },
  };
}

test('a service goes to ready endpoints of its family, and is refused at once without any', () => {
  const pods = [pod('a', ['10.0.0.1', 'fd00::1']), pod('b', ['10.0.0.2']), pod('c', ['10.0.0.3'], false)];
  const rules = renderServiceRules([service('web', ['10.96.0.1', 'fd96::1'])], pods);
  assert.match(
    rules,
    /services ip daddr 10\.96\.0\.1 tcp dport 80 dnat ip to numgen random mod 2 map \{ 0 : 10\.0\.0\.1 \. 8080, 1 : 10\.0\.0\.2 \. 8080 \}/,
  );
  assert.match(rules, /services ip6 daddr fd96::1 tcp dport 80 dnat ip6 to \[fd00::1\]:8080/);
  assert.doesNotMatch(rules, /10\.0\.0\.3/);
  assert.match(
    renderServiceRules([service('web', ['10.96.0.1'])], []),
    /refused ip daddr 10\.96\.0\.1 tcp dport 80 reject with tcp reset/,
  );
});

test('names of services, headless services and their pods are answered, everything else is not known', () => {
  const pods = [pod('a', ['10.0.0.1', 'fd00::1']), pod('b', ['10.0.0.2'])];
  const services = [service('web', ['10.96.0.1']), service('set', ['None'])];
  const ask = (name: string, type: 'A' | 'AAAA' | 'MX' = 'A'): unknown => {
    const reply = answerQuery({ type: 'query', id: 7, flags: 256, questions: [{ name, type }] }, services, pods);
    const answers = (reply?.answers ?? []).map((answer) => ('data' in answer ? answer.data : undefined));
    return ((reply?.flags ?? 0) & 15) === 3 ? 'no such name' : answers;
  };
  assert.deepEqual(ask('web.shop.svc.cluster.local'), ['10.96.0.1']);
  assert.deepEqual(ask('WEB.shop.svc.cluster.local', 'AAAA'), []);
  assert.deepEqual(ask('set.shop.svc.cluster.local'), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(ask('a.set.shop.svc.cluster.local', 'AAAA'), ['fd00::1']);
  assert.deepEqual(ask('web.shop.svc.cluster.local', 'MX'), []);
  for (const name of [
    'web.shop',
    'x.web.shop.svc.cluster.local',
    'no.shop.svc.cluster.local',
    'example.com',
    'svc.cluster.local',
  ])
    assert.equal(ask(name), 'no such name', name);
  assert.equal(answerQuery({ type: 'response', questions: [] }, services, pods), undefined);
});

test('addresses of pods and services stay in their networks', () => {
  assert.deepEqual(podAddress(2, 0), { v4: '10.244.2.10', v6: 'fd44:0:0:2::a' });
  assert.equal(podAddress(1, 241), undefined);
  for (const slot of [0, 1, 64_999, 65_535])
    assert.match(serviceAddress(slot).v4, /^10\.96\.([1-9]|\d\d|1\d\d|2[0-5]\d)\.\d+$/);
});

test('variables are put into commands as Kubernetes does', () => {
  assert.equal(expand('$(A)/x $(B) $$(A) $A', { A: 'one' }), 'one/x $(B) $(A) $A');
});

test("a program is entered with its parent's death as its own", () => {
  assert.deepEqual(enclose({ netns: '/run/netns/n' }, ['ls']), [
    'setpriv',
    '--pdeathsig',
    'KILL',
    'nsenter',
    '--net=/run/netns/n',
    '--',
    'ls',
  ]);
  const wrapped = enclose({ netns: '/n', overlays: [['/a', '/etc/hosts']], ownProcesses: true }, ['ls', '-l']);
  assert.ok(wrapped.includes('--pid') && wrapped.includes('--kill-child=KILL'));
  assert.deepEqual(wrapped.slice(-6), ['sh', '1', '/a', '/etc/hosts', 'ls', '-l']);
});

test('a token is signed by the published key and says whose it is', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambt-token-'));
  try {
    const tokens = new LabTokens();
    tokens.writeJwks(join(directory, 'jwks.json'));
    const [jwk] = JSON.parse(readFileSync(join(directory, 'jwks.json'), 'utf8')).keys;
    assert.equal(jwk.d, undefined);
    const [head = '', body = '', signature = ''] = tokens
      .issue({ namespace: 'shop', serviceAccount: 'web', pod: 'web-1', podUid: 'u1', node: 'node1' }, 1_000_000)
      .split('.');
    assert.ok(
      verify(
        'sha256',
        Buffer.from(`${head}.${body}`),
        { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
        Buffer.from(signature, 'base64url'),
      ),
    );
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    assert.equal(claims.sub, 'system:serviceaccount:shop:web');
    assert.deepEqual(claims.aud, ['istio-ca']);
    assert.equal(claims.exp - claims.iat, 3_600);
    assert.deepEqual(claims['kubernetes.io'].node, { name: 'node1' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

for (const [what, text, message] of [
  ['an unknown field', 'name: a\nnodes: [{name: n}]\nmanifests: []\nimages: []\n', /images is not known/],
  ['a name with a dash', 'name: a-b\nnodes: [{name: n}]\nmanifests: []\n', /1 to 16 lower-case/],
  ['no nodes', 'name: a\nnodes: []\nmanifests: []\n', /expected 1 to 9/],
  ['two nodes of one name', 'name: a\nnodes: [{name: n}, {name: n}]\nmanifests: []\n', /same name/],
  ['broken YAML', 'name: [', /lab\.yaml/],
] as const) {
  test(`a lab file with ${what} is refused with the reason`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'ambt-labfile-'));
    try {
      writeFileSync(join(directory, 'lab.yaml'), text);
      assert.throws(() => readLabFile(join(directory, 'lab.yaml')), { code: 'BAD_LAB_FILE', message });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
