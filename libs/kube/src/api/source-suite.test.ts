import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderSource } from '../folder-source.ts';
import { removePodStatus, writeStatus } from '../status-writer.ts';
import { apiKinds } from './api-kind.ts';
import { ApiServerSource } from './api-server-source.ts';
import { KubeClient } from './kube-client.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { describeSource } from './testing/source-suite.ts';

describeSource('folder', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-source-'));
  mkdirSync(join(root, 'manifests'));
  const manifests = join(root, 'manifests');
  const put = async (apiVersion: string, kind: string, name: string, spec: object): Promise<void> =>
    writeStatus(join(manifests, `${kind}.${name}.x.yaml`), {
      apiVersion,
      kind,
      metadata: { namespace: 'ns', name },
      spec,
    });
  return {
    namespace: 'ns',
    putService: (name, spec) => put('v1', 'Service', name, spec),
    putPolicy: (name, spec) => put('security.istio.io/v1', 'AuthorizationPolicy', name, spec),
    removeService: async (name) => removePodStatus(manifests, 'Service', name, 'x'),
    open: async () => new FolderSource({ manifestDirs: [manifests], debounceMs: 5, rescanMs: 50 }),
    [Symbol.asyncDispose]: async () => rmSync(root, { recursive: true, force: true }),
  };
});

describeSource('API server', async () => {
  const server = new FakeApiServer();
  await server.listen();
  const client = new KubeClient(server.access(), { userAgent: 'test' });
  const put = async (kind: 'Service' | 'AuthorizationPolicy', name: string, spec: object): Promise<void> => {
    await client.apply({ kind: apiKinds[kind], namespace: 'ns', name }, { spec }, { fieldManager: 'test' });
  };
  return {
    namespace: 'ns',
    putService: (name, spec) => put('Service', name, spec),
    putPolicy: (name, spec) => put('AuthorizationPolicy', name, spec),
    removeService: async (name) => void (await client.delete({ kind: apiKinds.Service, namespace: 'ns', name })),
    open: async () => {
      const source = new ApiServerSource({ client, kinds: ['Service', 'AuthorizationPolicy'] });
      await source.start();
      return source;
    },
    [Symbol.asyncDispose]: async () => {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
});
