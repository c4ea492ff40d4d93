/** A status that is written costs nobody a second derivation; a change of what the object asks for does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '@ambit/collections';
import { parseManifests, type Resource } from '@ambit/kube';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { meshObjects } from './mesh-objects.ts';
import { applyEvents, meshSources } from './mesh-sources.ts';
import { policy } from './test-support/trap-mesh.ts';

function parsed(text: string): Resource {
  const { resources, reports } = parseManifests('test.yaml', text);
  assert.deepEqual(reports, []);
  const [resource] = resources;
  assert.ok(resource !== undefined);
  return resource;
}

const condition = `{ type: Accepted, status: "True", reason: R, message: m, observedGeneration: 1 }`;

const route = (host: string, status = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec: { parentRefs: [{ name: edge }], hostnames: [${host}] }
${status}`;

const gateway = (port: number, status = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: ambit, listeners: [{ name: http, port: ${port}, protocol: HTTP }] }
${status}`;

const selecting = (app: string): string => policy('shop/p', `selector: { matchLabels: { app: ${app} } }`);

const table = [
  ['AuthorizationPolicy', selecting('a'), `${selecting('a')}\nstatus: { conditions: [${condition}] }`, selecting('b')],
  [
    'HTTPRoute',
    route('a.example'),
    route(
      'a.example',
      `status: { parents: [{ parentRef: { name: edge }, controllerName: c, conditions: [${condition}] }] }`,
    ),
    route('b.example'),
  ],
  [
    'Gateway',
    gateway(80),
    gateway(80, `status: { conditions: [${condition}], addresses: [{ type: IPAddress, value: 10.0.0.1 }] }`),
    gateway(81),
  ],
] as const;

for (const [kind, first, judged, changed] of table) {
  test(`readers of a ${kind} are woken by what it says, not by what is said of it`, () => {
    const graph = new Graph();
    const sources = meshSources(graph, defaultMeshSettings);
    const woken: string[] = [];
    const seen: string[] = [];
    meshObjects(graph, sources)[kind].listen((key) => woken.push(key));
    sources[kind].listen((key) => seen.push(key));
    for (const text of [first, judged, changed]) {
      graph.update(() => applyEvents(sources, [{ kind: 'add', resource: parsed(text) }]));
    }
    assert.deepEqual([seen.length, woken.length], [3, 2]);
  });
}
