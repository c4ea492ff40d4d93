import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { apiKinds } from '@ambit/kube';
import { systemClock } from '@ambit/runtime';
import { noCluster, TestCluster, testKubeconfig, until } from '../testing/test-cluster.ts';
import { openMeshSource } from './mesh-source.ts';

const skip = noCluster;
let cluster: TestCluster;

before(async () => {
  if (skip === false) cluster = await TestCluster.open();
});

after(() => cluster?.[Symbol.asyncDispose]());

const silent = { debug() {}, info() {}, warn() {} };
const data = (entries: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(entries).map(([name, text]) => [name, Buffer.from(text).toString('base64')]));

/** As `kubectl create secret generic` makes them, which is how Istio's own pages have mutual TLS set up. */
test(
  'certificates are found in Secrets of any type that may hold them, and nothing else is kept',
  { skip },
  async () => {
    const made: readonly (readonly [name: string, type: string, entries: Readonly<Record<string, string>>])[] = [
      ['tls', 'kubernetes.io/tls', { 'tls.crt': 'chain', 'tls.key': 'key' }],
      ['generic', 'Opaque', { 'tls.crt': 'chain', 'tls.key': 'key', 'ca.crt': 'roots' }],
      ['generic-cacert', 'Opaque', { cacert: 'roots' }],
      ['password', 'Opaque', { key: 'of an application' }],
      ['login', 'kubernetes.io/basic-auth', { username: 'u', password: 'p' }],
    ];
    for (const [name, type, entries] of made) {
      await cluster.apply(apiKinds.Secret, cluster.shop, name, { type, data: data(entries) });
    }
    const settings = {
      source: 'kubernetes',
      kubeconfig: testKubeconfig,
      apiServerHost: undefined,
      apiServerPort: '443',
      manifestDirs: [],
      statusDirs: [],
      debounceMs: 0,
      readsCertificates: true,
    } as const;
    await using mesh = await openMeshSource(settings, silent, systemClock);
    assert.ok(mesh.kind === 'kubernetes');
    await mesh.start({ signal: AbortSignal.timeout(60_000) });
    const seen = () =>
      mesh.source
        .list('Secret')
        .filter(({ metadata }) => metadata.namespace === cluster.shop)
        .map(({ metadata, certificateChainPem, privateKeyPem, rootsPem }) => [
          metadata.name,
          certificateChainPem,
          privateKeyPem,
          rootsPem,
        ]);
    await until(() => seen().length >= made.length - 1, seen);
    assert.deepEqual(seen(), [
      ['generic', 'chain', 'key', 'roots'],
      ['generic-cacert', undefined, undefined, 'roots'],
      ['password', undefined, undefined, undefined],
      ['tls', 'chain', 'key', undefined],
    ]);
  },
);
