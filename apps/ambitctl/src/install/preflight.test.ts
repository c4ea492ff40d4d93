import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../cluster/finding.ts';
import type { ClusterFacts, NodeFacts } from './cluster-facts.ts';
import type { MeshPlan } from './mesh-plan.ts';
import { nodesToProbe } from './node-probe.ts';
import { profileFor } from './platform.ts';
import { judgeCluster } from './preflight.ts';

const NODE: NodeFacts = {
  name: 'node1',
  system: 'linux',
  architecture: 'amd64',
  kernel: '6.1.0-18-amd64',
  systemImage: 'Debian GNU/Linux 12',
  runtime: 'containerd://1.7.0',
  kubelet: 'v1.36.3',
  provider: '',
};
const FACTS: ClusterFacts = {
  version: 'v1.36.3',
  nodes: [NODE],
  groups: new Set(['apps']),
  istiods: [],
  istioAgents: [],
  otherNodeProxies: [],
  gatewayApi: undefined,
  namespace: 'ambit-system',
  podSecurity: undefined,
  missingRights: [],
};
const PLAN: MeshPlan = {
  agent: {
    image: 'localhost/ambit/cni-agent:1',
    pullPolicy: 'IfNotPresent',
    pullSecrets: [],
    configurationFolder: '/etc/cni/net.d',
    pluginFolder: '/opt/cni/bin',
  },
  hasCa: true,
  hasNodeProxy: true,
};

function errors(change: Partial<ClusterFacts>, plan: MeshPlan = PLAN): readonly Finding[] {
  return judgeCluster({ ...FACTS, ...change }, plan).filter(({ kind }) => kind === 'error');
}

test('a fit cluster has no error', () => {
  assert.deepEqual(errors({}), []);
  assert.deepEqual(errors({ podSecurity: 'privileged', version: 'v2.0.0' }), []);
});

const UNFIT: readonly (readonly [string, Partial<ClusterFacts>, RegExp, RegExp])[] = [
  ['an old Kubernetes', { version: 'v1.29.9' }, /v1\.29\.9 is too old/, /1\.30 or later/],
  ['a user without rights', { missingRights: ['create clusterroles'] }, /not create clusterroles/, /cluster-admin/],
  ['an old kernel', { nodes: [NODE, { ...NODE, name: 'old', kernel: '4.15.0' }] }, /4\.15\.0 .*\(old\)/, /4\.18/],
  ['an unknown architecture', { nodes: [{ ...NODE, architecture: 's390x' }] }, /s390x \(node1\)/, /nodeSelector/],
  ['no Linux node', { nodes: [{ ...NODE, system: 'windows' }] }, /no Linux node/, /Add/],
  ["Istio's control plane", { istiods: ['istio-system/istiod'] }, /istio-system\/istiod/, /ca\.enabled=false/],
  ["Istio's node agent", { istioAgents: ['kube-system/istio-cni-node'] }, /rules of pods/, /cni-agent\.enabled=false/],
  ['another ztunnel', { otherNodeProxies: ['istio-system/ztunnel'] }, /socket/, /ztunnel\.enabled=false/],
  ['a namespace for harmless pods only', { podSecurity: 'restricted' }, /"restricted"/, /namespace ambit-system/],
];

for (const [what, change, text, advice] of UNFIT) {
  test(`${what} is an error that says what to do`, () => {
    const [finding, ...others] = errors(change);
    assert.deepEqual(others, []);
    assert.ok(finding?.kind === 'error');
    assert.match(finding.text, text);
    assert.match(finding.advice, advice);
  });
}

test('what is left to Istio is no conflict', () => {
  const istio = { istiods: ['a/istiod'], istioAgents: ['a/cni'], otherNodeProxies: ['a/ztunnel'] };
  assert.deepEqual(errors(istio, { agent: undefined, hasCa: false, hasNodeProxy: false }), []);
});

test('the profile follows from what nodes and API groups say', () => {
  const profile = (change: Partial<NodeFacts>, groups: readonly string[] = []): string | undefined =>
    profileFor({ nodes: [NODE, { ...NODE, ...change }], groups: new Set(groups) });
  assert.equal(profile({}), undefined);
  assert.equal(profile({ kubelet: 'v1.35.1+k3s1' }), 'k3s');
  assert.equal(profile({ kubelet: 'v1.35.1-gke.1200' }), 'gke');
  assert.equal(profile({ provider: 'kind://docker/kind/kind-worker' }), 'kind');
  assert.equal(profile({}, ['security.openshift.io']), 'openshift');
});

test('of a large cluster, one node of each sort is looked at before others', () => {
  const nodes = Array.from({ length: 50 }, (_, index): NodeFacts => ({ ...NODE, name: `node${index}` }));
  const odd = { ...NODE, name: 'odd', kernel: '5.15.0' };
  const chosen = nodesToProbe([...nodes, odd, { ...NODE, name: 'win', system: 'windows' }], 4).map(({ name }) => name);
  assert.equal(chosen.length, 4);
  assert.ok(chosen.includes('odd') && !chosen.includes('win'));
  assert.equal(nodesToProbe([NODE, odd], 4).length, 2);
});
