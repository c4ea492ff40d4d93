/** A policy that selects nobody says so, as long as that is so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, type Pod } from '@ambit/kube';
import { entry, gateway, hasAddress, join, meshOf, peer, pod, policy } from './test-support/trap-mesh.ts';

/** Message of the condition of an object; undefined for none. */
function saidOf(text: string, kind = 'AuthorizationPolicy', name = 'shop/p'): string | undefined {
  const { conditions = [] } = meshOf(text).mesh.statuses.get(`${kind}/${name}/ambit-status`) ?? {};
  const found = conditions.find(({ type }) => type === 'ambit.dev/SelectsWorkloads');
  if (found !== undefined) assert.deepEqual([found.status, found.reason], ['False', 'NothingSelected']);
  return found?.message;
}

const web = 'selector: { matchLabels: { app: web } }';
const labelled = { metadata: 'labels: { app: web, tier: x }' };
const nobody = 'selector: nothing in namespace shop has the labels app=web at the moment, so nobody is held to it';

const table: readonly (readonly [what: string, text: string, said: string | undefined])[] = [
  ['nobody at all', policy('shop/p', web), nobody],
  ['a pod', join(policy('shop/p', web), pod('shop/a', '10.0.0.1', labelled)), undefined],
  ['a pod that has no address yet', join(policy('shop/p', web), pending('shop/a')), undefined],
  ['a pod of another namespace', join(policy('shop/p', web), pod('other/a', '10.0.0.1', labelled)), nobody],
  [
    'a pod with one of two labels',
    join(policy('shop/p', 'selector: { matchLabels: { app: web, v: "2" } }'), pod('shop/a', '10.0.0.1', labelled)),
    'selector: nothing in namespace shop has the labels app=web, v=2 at the moment, so nobody is held to it',
  ],
  [
    'inline endpoints',
    join(
      policy('shop/p', web),
      entry(
        'shop/e',
        'hosts: [e.example], resolution: STATIC, endpoints: [{ address: 1.2.3.4 }]',
        'labels: { app: web }',
      ),
    ),
    undefined,
  ],
  [
    'an ingress gateway',
    join(policy('shop/p', web), gateway('shop/g', hasAddress, { of: 'istio', metadata: 'labels: { app: web }' })),
    undefined,
  ],
  ['the whole namespace', policy('shop/p', ''), undefined],
  ['the whole namespace by an empty selector', policy('shop/p', 'selector: { matchLabels: {} }'), undefined],
];

for (const [what, text, said] of table)
  test(`a policy that selects ${what}: ${said === undefined ? 'nothing is said' : 'the status says so'}`, () => {
    assert.equal(saidOf(text), said);
  });

test('a selector in the root namespace means the whole mesh', () => {
  const everywhere = policy('istio-system/p', web);
  const said = (text: string): string | undefined => saidOf(text, 'AuthorizationPolicy', 'istio-system/p');
  assert.match(said(everywhere) ?? '', /nothing in the mesh has/);
  assert.equal(said(join(everywhere, pod('shop/a', '10.0.0.1', labelled))), undefined);
});

test('a PeerAuthentication says it too', () => {
  const strict = peer('shop/p', `${web}, mtls: { mode: STRICT }`);
  assert.equal(saidOf(strict, 'PeerAuthentication'), nobody);
  assert.equal(saidOf(join(strict, pod('shop/a', '10.0.0.1', labelled)), 'PeerAuthentication'), undefined);
});

test('it is a finding, goes with the first pod, and pods that follow wake nobody', () => {
  const { mesh } = meshOf(policy('shop/p', web));
  const told = (): boolean => [...mesh.findings.values()].some(({ message }) => message.includes(nobody));
  assert.equal(told(), true);
  const changes: number[] = [];
  mesh.statuses.subscribe((batch) => changes.push(batch.length));
  for (const [name, ip] of [
    ['shop/a', '10.0.0.1'],
    ['shop/b', '10.0.0.2'],
  ] as const)
    mesh.sources.Pod.set(podOf(pod(name, ip, labelled)));
  assert.equal(told(), false);
  assert.equal(changes.length, 1);
  mesh.sources.Pod.delete('shop/a');
  assert.equal(told(), false);
  mesh.sources.Pod.set(podOf(pod('shop/b', '10.0.0.2', { metadata: 'labels: { app: wed }' })));
  assert.equal(told(), true, 'the last pod has other labels');
  mesh.sources.Pod.set(podOf(pod('shop/b', '10.0.0.2', labelled)));
  assert.equal(told(), false);
  mesh.sources.Pod.delete('shop/b');
  assert.equal(told(), true);
});

function pending(name: string): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: v1
kind: Pod
metadata: { namespace: ${namespace}, name: ${short}, labels: { app: web } }
spec: { containers: [] }
status: { phase: Pending }`;
}

function podOf(text: string): Pod {
  const [found] = parseManifests('pod.yaml', text).resources;
  assert.ok(found?.kind === 'Pod');
  return found;
}
