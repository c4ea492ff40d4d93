/** Reads what is there of a mesh in a cluster. */
import { type ApiKind, apiKinds, type KubeClient, KubeError, rawKinds } from '@ambit/kube';
import { DAEMON_SET, DEPLOYMENT, VALIDATING_WEBHOOKS } from '../cluster/cluster-kinds.ts';
import { isEnrolled, type MeshObjects } from './mesh-health.ts';
import type { ListedKind } from './object-health.ts';

const PART_OF_MESH = 'app.kubernetes.io/part-of=ambit,app.kubernetes.io/component';

/** Kinds of which the mesh says on their status what is not in force. */
const JUDGED: readonly ApiKind[] = [
  apiKinds.AuthorizationPolicy,
  apiKinds.PeerAuthentication,
  apiKinds.RequestAuthentication,
  apiKinds.Telemetry,
  apiKinds.VirtualService,
  apiKinds.DestinationRule,
  apiKinds.ServiceEntry,
  apiKinds.WorkloadEntry,
  apiKinds.EnvoyFilter,
  apiKinds.WasmPlugin,
  apiKinds.TrafficExtension,
  apiKinds.RateLimitPolicy,
  apiKinds.Service,
  apiKinds.GatewayClass,
  apiKinds.Gateway,
  apiKinds.ListenerSet,
  apiKinds.HTTPRoute,
  apiKinds.GRPCRoute,
  apiKinds.TLSRoute,
  apiKinds.TCPRoute,
  apiKinds.UDPRoute,
  apiKinds.BackendTLSPolicy,
];

/** Undefined when no part of a mesh is in the namespace. Rejects with KubeError. */
export async function readMeshObjects(client: KubeClient, namespace: string): Promise<MeshObjects | undefined> {
  const selection = { namespace, labelSelector: PART_OF_MESH };
  const [deployments, daemonSets] = await Promise.all([
    client.list(DEPLOYMENT, selection),
    client.list(DAEMON_SET, selection),
  ]);
  if (deployments.length + daemonSets.length === 0) return undefined;
  const [pods, allPods, trust, webhook, configuration] = await Promise.all([
    client.list(apiKinds.Pod, selection),
    client.list(apiKinds.Pod),
    client.get({ kind: rawKinds.ConfigMap, namespace, name: 'istio-ca-root-cert' }),
    client.get({ kind: VALIDATING_WEBHOOKS, name: `ambit-validator-${namespace}` }),
    Promise.all(JUDGED.map((kind) => listJudged(client, kind))),
  ]);
  return {
    namespace,
    // Items of a list do not name their kind.
    controllers: [...deployments, ...daemonSets.map((one) => ({ ...one, kind: 'DaemonSet' }))],
    pods,
    trust,
    webhook,
    enrolledPods: allPods.filter(isEnrolled),
    configuration,
  };
}

/** A kind that the cluster does not know has no objects. */
async function listJudged(client: KubeClient, kind: ApiKind): Promise<ListedKind> {
  const named = { kind: kind.kind, plural: kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}` };
  try {
    return { ...named, objects: await client.list(kind) };
  } catch (cause) {
    if (!(cause instanceof KubeError) || cause.code !== 'NOT_FOUND') throw cause;
    return { ...named, objects: [] };
  }
}
