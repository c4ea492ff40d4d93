import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '@ambit/collections';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { loadSources, meshSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { listenersOfSets } from './set-listeners.ts';

const manifests = (from: string): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: ambit
  allowedListeners: { namespaces: { ${from} } }
  listeners: [{ name: web, port: 80, protocol: HTTP }]
---
apiVersion: v1
kind: Namespace
metadata: { name: bank, labels: { edge: "yes" } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: own, namespace: shop }
spec: { parentRef: { name: edge }, listeners: [{ name: own, port: 81, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: far, namespace: bank }
spec: { parentRef: { name: edge, namespace: shop }, listeners: [{ name: far, port: 82, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: of-another, namespace: shop }
spec: { parentRef: { name: other }, listeners: [{ name: other, port: 83, protocol: HTTP }] }
`;

function ports(from: string): readonly number[] {
  const { resources, reports } = parseManifests('sets.yaml', manifests(from));
  assert.deepEqual(reports, []);
  const graph = new Graph();
  const sources = meshSources(graph, defaultMeshSettings);
  graph.update(() => loadSources(sources, new ResourceTable(resources)));
  const gateway = sources.Gateway.get('shop/edge');
  assert.ok(gateway !== undefined);
  return listenersOfSets(gateway, sources).map(({ port }) => port);
}

test('a Service gets the ports of the ListenerSets that its Gateway lets, and of no others', () => {
  assert.deepEqual(ports('from: Same'), [81]);
  assert.deepEqual(ports('from: Selector, selector: { matchLabels: { edge: "yes" } }'), [82]);
  assert.deepEqual(
    ports('from: All').toSorted((a, b) => a - b),
    [81, 82],
  );
  assert.deepEqual(ports('from: None'), []);
  assert.deepEqual(ports(''), []);
});
