import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readGatewayApi } from './gateway-api.ts';
import { chartFolder, chartsBeside, helmSettings, type InstallationFlags } from './installation.ts';

const charts = chartsBeside(join(import.meta.dirname, '../main.ts'));
const FLAGS: InstallationFlags = { namespace: 'ambit-system', profile: 'auto', charts, probe: true };
const K3S = {
  name: 'node1',
  system: 'linux',
  architecture: 'amd64',
  kernel: '6.1.0',
  systemImage: '',
  runtime: '',
  kubelet: 'v1.35.1+k3s1',
  provider: '',
};

test('the profile of the platform comes first, the words of the user last', () => {
  const facts = { nodes: [K3S], groups: new Set<string>() };
  assert.deepEqual(helmSettings({ ...FLAGS, values: ['mine.yaml'], set: ['a=b'] }, facts), [
    '--values',
    join(charts, 'ambit/profiles/k3s.yaml'),
    '--values',
    'mine.yaml',
    '--set',
    'a=b',
  ]);
  assert.deepEqual(helmSettings({ ...FLAGS, profile: 'none' }, facts), []);
  assert.throws(() => helmSettings({ ...FLAGS, profile: 'k4s' }, facts), /no profile k4s/);
});

test('charts that are not there are asked for', () => {
  assert.throws(() => chartFolder({ ...FLAGS, charts: '/nowhere' }, 'ambit'), /no chart ambit in \/nowhere.*--charts/);
});

const DEFINITION = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gateways.gateway.networking.k8s.io
  annotations: { gateway.networking.k8s.io/bundle-version: v1.6.0 }
spec: {}
status: { conditions: null }
`;

test('a bundle of the Gateway API is read from a folder or a file, without status', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-gateway-api-'));
  writeFileSync(join(folder.path, 'a.yaml'), DEFINITION);
  writeFileSync(join(folder.path, 'kustomization.yaml'), 'resources: [a.yaml]');
  for (const source of [folder.path, join(folder.path, 'a.yaml')]) {
    const { version, objects } = await readGatewayApi(source);
    assert.equal(version, 'v1.6.0');
    assert.deepEqual(
      objects.map(({ ref }) => ref.name),
      ['gateways.gateway.networking.k8s.io'],
    );
    assert.equal('status' in (objects[0]?.object ?? {}), false);
  }
});

test('anything else in a bundle is refused, so that a wrong file grants nobody anything', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-gateway-api-'));
  const refused = async (name: string, text: string | undefined, reason: RegExp): Promise<void> => {
    const path = join(folder.path, name);
    if (text === undefined) mkdirSync(path);
    else writeFileSync(path, text);
    await assert.rejects(readGatewayApi(path), reason);
  };
  const role = 'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: { name: a }\n';
  await refused('role.yaml', `${DEFINITION}---\n${role}`, /holds ClusterRoleBinding a, which is not/);
  await refused('other.yaml', DEFINITION.replace('name: gateways.gateway.networking.k8s.io', 'name: a.b.c'), /not of/);
  await refused('broken.yaml', 'a: [', /broken\.yaml/);
  await refused('empty', undefined, /holds no definition/);
  await assert.rejects(readGatewayApi(join(folder.path, 'missing')), /cannot be read/);
});
