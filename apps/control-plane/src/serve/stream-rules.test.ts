import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, parseManifests, type Pod } from '@ambit/kube';
import { readNode, ztunnelNode } from '@ambit/xds';
import { type ClusterView, refuseStream, type TokenOwner } from './stream-rules.ts';

const { resources } = parseManifests(
  'cluster.yaml',
  `apiVersion: v1
kind: Pod
metadata: { name: zt, namespace: sys, uid: u1 }
spec: { nodeName: n1, serviceAccountName: ztunnel }
---
apiVersion: v1
kind: Pod
metadata: { name: wp, namespace: shop, uid: u2, labels: { gateway.networking.k8s.io/gateway-name: wp } }
spec: { nodeName: n1, serviceAccountName: wp }
---
apiVersion: v1
kind: Pod
metadata: { name: liar, namespace: shop, uid: u3, labels: { gateway.networking.k8s.io/gateway-name: none } }
spec: { nodeName: n1 }
---
apiVersion: v1
kind: Pod
metadata: { name: app, namespace: shop, uid: u4 }
spec: { nodeName: n1 }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: wp, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`,
);

function find(kind: 'Pod', name: string): Pod | undefined;
function find(kind: 'Gateway', name: string): Gateway | undefined;
function find(kind: 'Pod' | 'Gateway', name: string): Pod | Gateway | undefined {
  for (const resource of resources) {
    const { metadata } = resource;
    if (resource.kind !== kind || `${metadata.namespace}/${metadata.name}` !== name) continue;
    if (resource.kind === 'Pod' || resource.kind === 'Gateway') return resource;
  }
  return undefined;
}

const view: ClusterView = { get: find };
const rules = { nodeAccounts: ['sys/ztunnel'], view };

function owner(namespace: string, serviceAccount: string, pod?: string, uid = 'u1', node = ''): TokenOwner {
  return { namespace, serviceAccount, pod: pod === undefined ? undefined : { name: pod, uid, node } };
}

function node(kind: string, nodeName = 'n1') {
  const made = ztunnelNode({ instanceIp: '10.0.0.1', podName: 'p', podNamespace: 'sys', nodeName, extraMetadata: {} });
  return readNode({ ...made, id: made.id.replace('ztunnel', kind) });
}

const cases: readonly (readonly [string, TokenOwner, ReturnType<typeof node>, RegExp | undefined])[] = [
  ['a node proxy of its node', owner('sys', 'ztunnel', 'zt', 'u1', 'n1'), node('ztunnel'), undefined],
  ['its node looked up', owner('sys', 'ztunnel', 'zt'), node('ztunnel'), undefined],
  ['another node', owner('sys', 'ztunnel', 'zt', 'u1', 'n1'), node('ztunnel', 'n2'), /runs on node n1, not on n2/],
  ['no node', owner('sys', 'ztunnel', 'zt', 'u1', 'n1'), node('ztunnel', ''), /an unnamed one/],
  [
    'a pod of a former uid',
    owner('sys', 'ztunnel', 'zt', 'old'),
    node('ztunnel'),
    /node of the caller's pod is not known/,
  ],
  ['an unbound token', owner('sys', 'ztunnel'), node('ztunnel'), /not bound/],
  ['another account', owner('shop', 'ztunnel', 'zt', 'u1', 'n1'), node('ztunnel'), /no account of node proxies/],
  ['a waypoint', owner('shop', 'wp', 'wp', 'u2'), node('waypoint'), undefined],
  ['a waypoint of a former uid', owner('shop', 'wp', 'wp', 'old'), node('waypoint'), /is not known/],
  [
    'a label that names no Gateway',
    owner('shop', 'wp', 'liar', 'u3'),
    node('waypoint'),
    /there is no Gateway shop\/none/,
  ],
  ['an application as waypoint', owner('shop', 'a', 'app', 'u4'), node('waypoint'), /has no label/],
  ['a sidecar', owner('shop', 'a', 'app', 'u4'), node('sidecar'), /not served/],
];

for (const [name, caller, claimed, reason] of cases) {
  test(`${name} is ${reason === undefined ? 'admitted' : 'refused'}`, () => {
    const refusal = refuseStream(caller, claimed, rules);
    if (reason === undefined) assert.equal(refusal, undefined);
    else assert.match(refusal ?? 'admitted', reason);
  });
}
