/** A namespace of its own on the real API server of the cluster ring. For tests only. */
import { randomBytes } from 'node:crypto';
import { rawKinds, apiKinds } from '../api-kind.ts';
import { clusterAccess, type ClusterAccess } from '../cluster-access.ts';
import { KubeClient } from '../kube-client.ts';
import { TcpRelay } from '@ambit/testing';
import type { ApiRig } from './api-suite.ts';

/** Why the cluster tests cannot run; false when they can. */
export function clusterSkipReason(): string | false {
  const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'];
  return kubeconfig === undefined || kubeconfig === '' ? 'set AMBIT_TEST_KUBECONFIG to a kubeconfig' : false;
}

/** Access as the administrator of the test cluster. */
export function testAccess(): Promise<ClusterAccess> {
  return clusterAccess({ kubeconfigPath: process.env['AMBIT_TEST_KUBECONFIG'] });
}

/** Disposing removes the namespace. */
export async function openClusterRig(): Promise<ApiRig & { readonly access: ClusterAccess }> {
  const access = await testAccess();
  const { server } = access;
  const relay = new TcpRelay(server.hostname, Number(server.port));
  await relay.open();
  const direct = new KubeClient(access, { userAgent: 'ambit-test-direct' });
  const client = new KubeClient(
    { ...access, server: new URL(`https://127.0.0.1:${relay.port}`), serverName: 'localhost' },
    { userAgent: 'ambit-test', timeoutMs: 2_000 },
  );
  const namespace = `kube-${randomBytes(4).toString('hex')}`;
  await direct.create(apiKinds.Namespace, { metadata: { name: namespace } });
  return {
    access,
    namespace,
    direct,
    client,
    relay,
    [Symbol.asyncDispose]: async () => {
      // Without a controller manager nobody finishes the deletion of a namespace, so its objects go one by one.
      for (const kind of [apiKinds.Service, rawKinds.ConfigMap, rawKinds.Lease]) {
        for (const object of await direct.list(kind, { namespace })) {
          const { metadata } = object;
          const name = typeof metadata === 'object' && metadata !== null && 'name' in metadata ? metadata.name : '';
          await direct.delete({ kind, namespace, name: String(name) });
        }
      }
      await direct.delete({ kind: apiKinds.Namespace, name: namespace });
      client.close();
      direct.close();
      await relay[Symbol.asyncDispose]();
    },
  };
}
