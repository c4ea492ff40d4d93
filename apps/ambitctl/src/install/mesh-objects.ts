/** Reads what is there of a mesh in a cluster. */
import { apiKinds, rawKinds, type KubeClient } from '@ambit/kube';
import { DAEMON_SET, DEPLOYMENT, VALIDATING_WEBHOOKS } from '../cluster/cluster-kinds.ts';
import { isEnrolled, type MeshObjects } from './mesh-health.ts';

const PART_OF_MESH = 'app.kubernetes.io/part-of=ambit,app.kubernetes.io/component';

/** Undefined when no part of a mesh is in the namespace. Rejects with KubeError. */
export async function readMeshObjects(client: KubeClient, namespace: string): Promise<MeshObjects | undefined> {
  const selection = { namespace, labelSelector: PART_OF_MESH };
  const [deployments, daemonSets] = await Promise.all([
    client.list(DEPLOYMENT, selection),
    client.list(DAEMON_SET, selection),
  ]);
  if (deployments.length + daemonSets.length === 0) return undefined;
  const [pods, allPods, trust, webhook] = await Promise.all([
    client.list(apiKinds.Pod, selection),
    client.list(apiKinds.Pod),
    client.get({ kind: rawKinds.ConfigMap, namespace, name: 'istio-ca-root-cert' }),
    client.get({ kind: VALIDATING_WEBHOOKS, name: `ambit-validator-${namespace}` }),
  ]);
  return {
    namespace,
    // Items of a list do not name their kind.
    controllers: [...deployments, ...daemonSets.map((one) => ({ ...one, kind: 'DaemonSet' }))],
    pods,
    trust,
    webhook,
    enrolledPods: allPods.filter(isEnrolled),
  };
}
