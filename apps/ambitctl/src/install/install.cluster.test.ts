import assert from 'node:assert/strict';
import { mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { apiKinds, rawKinds } from '@ambit/kube';
import { connectCluster } from '../cluster/cluster-flags.ts';
import { DEPLOYMENT } from '../cluster/cluster-kinds.ts';
import { fieldAt, textAt } from '../cluster/read-fields.ts';
import { BUNDLE_VERSION, readClusterFacts } from './cluster-facts.ts';
import { applyGatewayApi, readGatewayApi } from './gateway-api.ts';
import { readMeshObjects } from './mesh-objects.ts';

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const skip = kubeconfig === '' ? 'AMBIT_TEST_KUBECONFIG is not set' : false;
const unique = `ambitctl-${process.pid}`;

test('an istiod anywhere in the cluster, rights and Pod Security are seen', { skip }, async () => {
  using client = await connectCluster({ kubeconfig });
  const namespace = { kind: apiKinds.Namespace, name: unique };
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
  await client.create(apiKinds.Namespace, { metadata: { name: unique, labels } });
  try {
    const template = { metadata: { labels: { app: 'istiod' } }, spec: { containers: [{ name: 'a', image: 'a' }] } };
    await client.create(DEPLOYMENT, {
      metadata: { name: 'istiod', namespace: unique, labels: { app: 'istiod' } },
      spec: { selector: { matchLabels: { app: 'istiod' } }, template },
    });
    const facts = await readClusterFacts(client, unique);
    assert.match(facts.version, /^v1\./);
    assert.ok(facts.istiods.includes(`${unique}/istiod`));
    assert.equal(facts.podSecurity, 'baseline');
    assert.deepEqual(facts.missingRights, [], 'the account of the tests may do everything');
    assert.ok(facts.groups.has('apps'));
    assert.equal(await readMeshObjects(client, unique), undefined, 'istiod is no part of Ambit');
  } finally {
    await client.delete(namespace);
  }
});

test('definitions of a bundle are put in force, and again without a change', { skip }, async () => {
  const plural = `probes${process.pid}`;
  const name = `${plural}.gateway.networking.k8s.io`;
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name,
      annotations: {
        'api-approved.kubernetes.io': 'unapproved, for a test',
        // Where the Gateway API is installed, a policy of its own asks for these.
        [BUNDLE_VERSION]: 'v1.6.0',
        'gateway.networking.k8s.io/channel': 'standard',
      },
    },
    spec: {
      group: 'gateway.networking.k8s.io',
      scope: 'Namespaced',
      names: { plural, kind: `Probe${process.pid}` },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  };
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-gateway-api-'));
  writeFileSync(join(folder.path, 'definition.yaml'), JSON.stringify(definition));
  using client = await connectCluster({ kubeconfig });
  const ref = { kind: rawKinds.CustomResourceDefinition, name };
  try {
    const bundle = await readGatewayApi(folder.path);
    await applyGatewayApi(client, bundle);
    await applyGatewayApi(client, bundle);
    const stored = await client.get(ref);
    assert.equal(fieldAt(stored, 'metadata', 'generation'), 1);
    assert.equal(textAt(stored, 'spec', 'names', 'plural'), plural);
  } finally {
    await client.delete(ref);
  }
});
