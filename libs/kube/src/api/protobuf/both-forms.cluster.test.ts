/** A real API server's objects, read from protobuf and from JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceKind } from '../../resource.ts';
import { apiKinds } from '../api-kind.ts';
import type { KubeClient, Selection } from '../kube-client.ts';
import { type KeptObject, readApiObject } from '../read-api-object.ts';
import { SharedParts } from '../shared-parts.ts';
import { clusterSkipReason, openClusterRig } from '../testing/cluster-rig.ts';
import { readWatchEvent } from '../watch-event.ts';

const skip = clusterSkipReason();

/** The objects of a kind in a streaming list, as they come and as they are read, by key. */
async function streamed(
  client: KubeClient,
  kind: ResourceKind,
  selection: Selection,
): Promise<{ readonly texts: string; readonly kept: ReadonlyMap<string, KeptObject> }> {
  const parts = new SharedParts();
  const kept = new Map<string, KeptObject>();
  let texts = '';
  const options = { ...selection, sendInitialEvents: true, timeoutSec: 60, signal: AbortSignal.timeout(30_000) };
  for await (const batch of client.watch(apiKinds[kind], options)) {
    for (const line of batch) {
      const event = readWatchEvent(line, kind);
      if (event.kind === 'bookmark') return { texts, kept };
      texts += JSON.stringify(line);
      if (event.kind === 'changed') kept.set(event.key, readApiObject(kind, event.object, undefined, parts));
    }
  }
  throw new Error(`the list of ${kind} has no end`);
}

test('protobuf and JSON give the same records of every kind that has both', { skip }, async () => {
  await using rig = await openClusterRig();
  const { direct, client, namespace } = rig;
  const node = `node-${namespace}`;
  await direct.create(apiKinds.Node, {
    metadata: { name: node, labels: { 'topology.kubernetes.io/zone': 'z' } },
  });
  await direct.patch(
    { kind: apiKinds.Node, name: node },
    {
      status: {
        addresses: [
          { type: 'Hostname', address: node },
          { type: 'InternalIP', address: '10.9.0.1' },
        ],
      },
    },
    { subresource: 'status' },
  );
  await direct.create(apiKinds.ServiceAccount, { metadata: { name: 'web', namespace, annotations: { a: '' } } });
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'u', controller: true };
  await direct.create(apiKinds.Pod, {
    metadata: {
      name: 'full',
      namespace,
      generateName: 'full-',
      labels: { app: 'web', empty: '' },
      annotations: { 'ambient.istio.io/redirection': 'enabled', other: 'x' },
      ownerReferences: [owner, { ...owner, name: 'more', uid: 'v', controller: false }],
    },
    spec: {
      nodeName: node,
      hostNetwork: true,
      serviceAccountName: 'web',
      automountServiceAccountToken: false,
      initContainers: [{ name: 'side', image: 'i', restartPolicy: 'Always', ports: [{ containerPort: 1 }] }],
      containers: [
        { name: 'main', image: 'i', ports: [{ name: 'http', containerPort: 8080 }] },
        { name: 'dns', image: 'i', ports: [{ containerPort: 53, protocol: 'UDP' }] },
      ],
    },
  });
  const status = {
    phase: 'Running',
    podIP: '10.0.0.7',
    podIPs: [{ ip: '10.0.0.7' }, { ip: 'fd00::7' }],
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'PodScheduled', status: 'True' },
    ],
  };
  await direct.patch({ kind: apiKinds.Pod, namespace, name: 'full' }, { status }, { subresource: 'status' });
  await direct.create(apiKinds.Service, {
    metadata: { name: 'full', namespace },
    spec: {
      selector: { app: 'web' },
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferClose',
      publishNotReadyAddresses: true,
      ports: [
        { name: 'a', port: 80, targetPort: 'http', appProtocol: 'kubernetes.io/h2c' },
        { name: 'b', port: 81, targetPort: 8081 },
        { name: 'c', port: 82, protocol: 'UDP' },
      ],
    },
  });
  const conditions = [
    {
      type: 'istio.io/WaypointBound',
      status: 'True',
      reason: 'R',
      message: 'm',
      observedGeneration: 3,
      lastTransitionTime: '2026-01-02T03:04:05Z',
    },
  ];
  await direct.patch(
    { kind: apiKinds.Service, namespace, name: 'full' },
    { status: { conditions } },
    { subresource: 'status' },
  );
  await direct.create(apiKinds.Service, {
    metadata: { name: 'headless', namespace },
    spec: { clusterIP: 'None', ports: [{ port: 80 }] },
  });
  await direct.create(apiKinds.Service, {
    metadata: { name: 'outside', namespace },
    spec: { type: 'ExternalName', externalName: 'example.test' },
  });
  await direct.create(apiKinds.EndpointSlice, {
    metadata: { name: 'full', namespace, labels: { 'kubernetes.io/service-name': 'full' } },
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: ['10.0.0.7'],
        nodeName: node,
        conditions: { ready: false, serving: true },
        targetRef: { kind: 'Pod', namespace, name: 'full', uid: 'u' },
      },
      { addresses: ['10.0.0.8'] },
    ],
    ports: [{ name: 'a', port: 8080, protocol: 'TCP' }, { port: 81 }],
  });
  for (const kind of ['Pod', 'Service', 'Node', 'EndpointSlice', 'Namespace', 'ServiceAccount'] as const) {
    const metadataOnly = kind === 'Namespace' || kind === 'ServiceAccount';
    const json = await streamed(client, kind, { metadataOnly });
    const protobuf = await streamed(client, kind, { metadataOnly, meshFieldsOnly: true });
    assert.ok(json.kept.size > 0, kind);
    assert.ok(json.texts.includes('managedFields') && !protobuf.texts.includes('managedFields'), kind);
    for (const [key, record] of json.kept) assert.deepEqual(protobuf.kept.get(key), record, `${kind} ${key}`);
  }
  await direct.delete({ kind: apiKinds.Node, name: node });
});

test('a refusal is told in the words of the API server, whatever form was asked for', { skip }, async () => {
  await using rig = await openClusterRig();
  const watch = rig.client.watch(apiKinds.Pod, {
    meshFieldsOnly: true,
    resourceVersion: 'never',
    timeoutSec: 5,
    signal: AbortSignal.timeout(10_000),
  });
  await assert.rejects(watch.next(), { code: 'SERVER', message: /never/ });
});
