import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { isPlainObject } from '../object-reader.ts';
import { type ApiKind, apiKinds, rawKinds } from './api-kind.ts';
import { ApiServerSource } from './api-server-source.ts';
import { describeApiServer, describeExpiry } from './testing/api-suite.ts';
import { clusterSkipReason, openClusterRig } from './testing/cluster-rig.ts';
import { eventually } from './testing/eventually.ts';
import { describeSource } from './testing/source-suite.ts';
import type { KubeClient } from './kube-client.ts';

const definitions = join(import.meta.dirname, '../../../../charts/ambit-crds/definitions');

async function installDefinition(client: KubeClient, plural: string, group: string): Promise<void> {
  const object: unknown = parse(readFileSync(join(definitions, `${plural}.yaml`), 'utf8'), { maxAliasCount: -1 });
  assert.ok(isPlainObject(object));
  const ref = { kind: rawKinds.CustomResourceDefinition, name: `${plural}.${group}` };
  await client.apply(ref, object, { fieldManager: 'test', force: true });
  await eventually(async () => {
    const answer = await client.getPath(`/apis/${group}/v1`);
    return JSON.stringify(answer ?? '').includes(`"${plural}"`);
  });
}

const skip = clusterSkipReason();
if (skip !== false) test('a real API server', { skip }, () => undefined);
else {
  describeApiServer('real API server', openClusterRig);
  describeExpiry('real API server', async () => {
    const rig = await openClusterRig();
    const group = `${rig.namespace}.ambit.dev`;
    const kind: ApiKind = { group, version: 'v1', kind: 'Thing', plural: 'things', namespaced: true };
    const ref = { kind: rawKinds.CustomResourceDefinition, name: `things.${group}` };
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const definition = {
      group,
      scope: 'Namespaced',
      names: { kind: 'Thing', plural: 'things' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    };
    await rig.direct.apply(ref, { spec: definition }, { fieldManager: 'test' });
    await eventually(async () => {
      return (await rig.direct.getPath(`/apis/${group}/v1/things`).catch(() => undefined)) !== undefined;
    });
    return {
      ...rig,
      kind,
      [Symbol.asyncDispose]: async () => {
        await rig.direct.delete(ref);
        await rig[Symbol.asyncDispose]();
      },
    };
  });

  describeSource('real API server', async () => {
    const rig = await openClusterRig();
    const { direct, client, namespace } = rig;
    await installDefinition(direct, 'authorizationpolicies', 'security.istio.io');
    const put = async (kind: 'Service' | 'AuthorizationPolicy', name: string, spec: object): Promise<void> => {
      await direct.apply({ kind: apiKinds[kind], namespace, name }, { spec }, { fieldManager: 'test', force: true });
    };
    return {
      namespace,
      hasSchemas: true,
      putService: (name, spec) => put('Service', name, spec),
      putPolicy: (name, spec) => put('AuthorizationPolicy', name, spec),
      removeService: async (name) => void (await direct.delete({ kind: apiKinds.Service, namespace, name })),
      open: async () => {
        const source = new ApiServerSource({ client, kinds: ['Service', 'AuthorizationPolicy'] });
        await source.start();
        return source;
      },
      [Symbol.asyncDispose]: async () => {
        await direct.delete({ kind: apiKinds.AuthorizationPolicy, namespace, name: 'p' });
        await rig[Symbol.asyncDispose]();
      },
    };
  });

  test('a kind is followed as soon as its CRD is installed, and empty when the CRD is gone', async () => {
    await using rig = await openClusterRig();
    const { direct, client, namespace } = rig;
    const definition = { kind: rawKinds.CustomResourceDefinition, name: 'workloadentries.networking.istio.io' };
    await direct.delete(definition);
    await eventually(async () => {
      const served = await direct.getPath('/apis/networking.istio.io/v1');
      return !JSON.stringify(served ?? '').includes('"workloadentries"');
    });
    // Polling alone would take the test's whole time: it is the definition that is noticed.
    const times = { missingPollMs: 60_000 };
    await using source = new ApiServerSource({ client, kinds: ['WorkloadEntry', 'Namespace'], times });
    await source.start();
    assert.equal(source.status().get('WorkloadEntry')?.state, 'missing');
    assert.ok(source.list('Namespace').some(({ metadata }) => metadata.name === namespace));
    await installDefinition(direct, 'workloadentries', 'networking.istio.io');
    const ref = { kind: apiKinds.WorkloadEntry, namespace, name: 'vm' };
    await direct.apply(ref, { spec: { address: '10.0.0.1' } }, { fieldManager: 'test' });
    await eventually(
      () => source.list('WorkloadEntry').length === 1,
      () => [...source.status()],
    );
    await direct.delete(definition);
    await eventually(
      () => source.list('WorkloadEntry').length === 0,
      () => [...source.status()],
    );
    await installDefinition(direct, 'workloadentries', 'networking.istio.io');
  });

  test('server-side apply keeps the fields of other managers and refuses to take them without force', async () => {
    await using rig = await openClusterRig();
    const ref = { kind: rawKinds.ConfigMap, namespace: rig.namespace, name: 'shared' };
    await rig.client.apply(ref, { data: { mine: '1' } }, { fieldManager: 'one' });
    await rig.client.apply(ref, { data: { yours: '2' } }, { fieldManager: 'two' });
    await assert.rejects(rig.client.apply(ref, { data: { mine: '3' } }, { fieldManager: 'two' }), { code: 'CONFLICT' });
    await rig.client.apply(ref, { data: {} }, { fieldManager: 'two' });
    const object = await rig.client.get(ref);
    assert.ok(isPlainObject(object));
    assert.deepEqual(object['data'], { mine: '1' });
  });
}
