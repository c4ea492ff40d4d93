/** What an installation has to know of a cluster beforehand. */
import { apiKinds, rawKinds, type KubeClient, type PlainObject } from '@ambit/kube';
import { DAEMON_SET, DEPLOYMENT } from '../cluster/cluster-kinds.ts';
import { fieldAt, objectsAt, placeOf, textAt } from '../cluster/read-fields.ts';

export interface NodeFacts {
  readonly name: string;
  readonly system: string;
  readonly architecture: string;
  readonly kernel: string;
  readonly systemImage: string;
  readonly runtime: string;
  readonly kubelet: string;
  /** `kind://...`, `gce://...`; empty on machines of one's own. */
  readonly provider: string;
}

export interface ClusterFacts {
  /** Such as `v1.36.3`. */
  readonly version: string;
  readonly nodes: readonly NodeFacts[];
  /** API groups that are served. */
  readonly groups: ReadonlySet<string>;
  /** Places of Istio's own control planes. */
  readonly istiods: readonly string[];
  readonly istioAgents: readonly string[];
  /** Of any mesh; those of the namespace of installation are not listed. */
  readonly otherNodeProxies: readonly string[];
  /** Version of the Gateway API; undefined: its definitions are missing; `unknown`: they do not say. */
  readonly gatewayApi: string | undefined;
  /** Where the mesh is going to be. */
  readonly namespace: string;
  /** Level that Pod Security enforces there; undefined when nothing is said, or the namespace is not there yet. */
  readonly podSecurity: string | undefined;
  /** What the caller may not do, `create clusterroles` for instance. */
  readonly missingRights: readonly string[];
}

/** Rights without which nothing can be installed: group, resource. */
const RIGHTS: readonly (readonly [string, string])[] = [
  ['', 'namespaces'],
  ['', 'pods'],
  ['apps', 'daemonsets'],
  ['rbac.authorization.k8s.io', 'clusterroles'],
  ['rbac.authorization.k8s.io', 'clusterrolebindings'],
  ['apiextensions.k8s.io', 'customresourcedefinitions'],
  ['admissionregistration.k8s.io', 'validatingwebhookconfigurations'],
];

const GATEWAYS = 'gateways.gateway.networking.k8s.io';
export const BUNDLE_VERSION = 'gateway.networking.k8s.io/bundle-version';

/** @param namespace where the mesh is going to be. Rejects with KubeError. */
export async function readClusterFacts(client: KubeClient, namespace: string): Promise<ClusterFacts> {
  const version = textAt(await client.getPath('/version'), 'gitVersion') ?? 'unknown';
  const missingRights = await readMissingRights(client, namespace);
  const groups = objectsAt(await client.getPath('/apis'), 'groups').map((group) => textAt(group, 'name') ?? '');
  const [nodes, istiods, agents, proxies, gateways, place] = await Promise.all([
    client.list(apiKinds.Node),
    client.list(DEPLOYMENT, { labelSelector: 'app=istiod' }),
    client.list(DAEMON_SET, { labelSelector: 'k8s-app=istio-cni-node' }),
    client.list(DAEMON_SET, { labelSelector: 'app=ztunnel' }),
    client.get({ kind: rawKinds.CustomResourceDefinition, name: GATEWAYS }),
    client.get({ kind: apiKinds.Namespace, name: namespace }),
  ]);
  const others = proxies.filter((one) => textAt(one, 'metadata', 'namespace') !== namespace);
  return {
    version,
    nodes: nodes.map(readNode),
    groups: new Set(groups),
    istiods: istiods.map(placeOf),
    istioAgents: agents.map(placeOf),
    otherNodeProxies: others.map(placeOf),
    gatewayApi:
      gateways === undefined ? undefined : (textAt(gateways, 'metadata', 'annotations', BUNDLE_VERSION) ?? 'unknown'),
    namespace,
    podSecurity: textAt(place, 'metadata', 'labels', 'pod-security.kubernetes.io/enforce'),
    missingRights,
  };
}

function readNode(node: PlainObject): NodeFacts {
  const info = (name: string): string => textAt(node, 'status', 'nodeInfo', name) ?? '';
  return {
    name: textAt(node, 'metadata', 'name') ?? '',
    system: info('operatingSystem'),
    architecture: info('architecture'),
    kernel: info('kernelVersion'),
    systemImage: info('osImage'),
    runtime: info('containerRuntimeVersion'),
    kubelet: info('kubeletVersion'),
    provider: textAt(node, 'spec', 'providerID') ?? '',
  };
}

async function readMissingRights(client: KubeClient, namespace: string): Promise<readonly string[]> {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const missing = RIGHTS.map(async ([group, resource]): Promise<readonly string[]> => {
    const answer = await client.post(path, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { verb: 'create', group, resource, namespace } },
    });
    return fieldAt(answer, 'status', 'allowed') === true ? [] : [`create ${resource}`];
  });
  return (await Promise.all(missing)).flat();
}
