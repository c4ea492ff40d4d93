/**
 * A real API server and nothing else: its pods run on no node, their status is written here, as kwok does it.
 * What the control plane reads, and how fast, is then what a cluster of this size gives it.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type ApiKind,
  apiKinds,
  clusterAccess,
  isPlainObject,
  KubeClient,
  type PlainObject,
  rawKinds,
} from '@ambit/kube';
import { AmbitError } from '@ambit/runtime';
import { parse } from 'yaml';
import type { BenchCluster } from './cluster.ts';
import {
  type MeshSize,
  namespaceNames,
  namespaceObject,
  nodeObject,
  podName,
  podNamespace,
  podParts,
  type PodParts,
  policyObject,
  proxyName,
  proxyParts,
  serviceObject,
  SYSTEM_NAMESPACE,
} from './mesh-objects.ts';

const POLICY_DEFINITION = fileURLToPath(
  new URL('../../../../charts/ambit-crds/definitions/authorizationpolicies.yaml', import.meta.url),
);
/** Requests under way while objects are made. */
const PARALLEL = 48;

export class ApiServerCluster implements BenchCluster {
  readonly kind = 'api-server' as const;
  readonly kubeconfig: string;
  readonly #size: MeshSize;
  readonly #client: KubeClient;

  private constructor(size: MeshSize, kubeconfig: string, client: KubeClient) {
    this.#size = size;
    this.#client = client;
    this.kubeconfig = kubeconfig;
  }

  /** One that is there and has no pods. Rejects with KubeError. */
  static async at(size: MeshSize, kubeconfig: string): Promise<ApiServerCluster> {
    const access = await clusterAccess({ kubeconfigPath: kubeconfig });
    return new ApiServerCluster(size, kubeconfig, new KubeClient(access, { userAgent: 'ambit-bench' }));
  }

  async loadNodes(tell: (line: string) => void): Promise<void> {
    for (const name of namespaceNames()) await this.#create(apiKinds.Namespace, namespaceObject(name));
    await this.#create(apiKinds.ServiceAccount, { metadata: { name: 'ztunnel', namespace: SYSTEM_NAMESPACE } });
    await this.#definePolicies();
    const { nodes } = this.#size;
    await this.#many('nodes', nodes, tell, async (index) => this.#create(apiKinds.Node, nodeObject(index)));
    await this.#many('node proxies', nodes, tell, async (index) => this.#run(proxyParts(index)));
  }

  async loadRest(tell: (line: string) => void): Promise<void> {
    const size = this.#size;
    await this.#many('services', size.services, tell, (index) => this.#create(apiKinds.Service, serviceObject(index)));
    await this.#many('policies', size.policies, tell, (index) =>
      this.#create(apiKinds.AuthorizationPolicy, policyObject(size, index)),
    );
    await this.#many('pods', size.pods - size.nodes, tell, (index) => this.#run(podParts(size, index, 'v1')));
  }

  async tokens(): Promise<readonly string[]> {
    const tokens: string[] = [];
    await this.#many(
      'tokens',
      this.#size.nodes,
      () => undefined,
      async (index) => {
        tokens[index] = await this.#token(proxyName(index));
      },
    );
    return tokens;
  }

  async mark(index: number, mark: string): Promise<void> {
    const ref = { kind: apiKinds.Pod, namespace: podNamespace(this.#size, index), name: podName(index) };
    await this.#client.patch(ref, { metadata: { labels: { version: mark } } });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }

  async #create(kind: ApiKind, object: PlainObject): Promise<void> {
    await this.#client.create(kind, object);
  }

  /** A pod with the status that a kubelet would write. */
  async #run({ object, status }: PodParts): Promise<void> {
    await this.#create(apiKinds.Pod, object);
    await this.#client.patch({ kind: apiKinds.Pod, ...placeOf(object) }, { status }, { subresource: 'status' });
  }

  async #definePolicies(): Promise<void> {
    const definition: unknown = parse(readFileSync(POLICY_DEFINITION, 'utf8'));
    if (!isPlainObject(definition)) throw new AmbitError('BAD_FILE', `${POLICY_DEFINITION} is no object`);
    await this.#create(rawKinds.CustomResourceDefinition, definition);
    while ((await this.#client.getPath('/apis/security.istio.io/v1')) === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #token(pod: string): Promise<string> {
    const live = await this.#client.get({ kind: apiKinds.Pod, namespace: SYSTEM_NAMESPACE, name: pod });
    const bound = { kind: 'Pod', apiVersion: 'v1', name: pod, uid: textAt(live, 'metadata', 'uid') };
    const answer = await this.#client.post(`/api/v1/namespaces/${SYSTEM_NAMESPACE}/serviceaccounts/ztunnel/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['istio-ca'], expirationSeconds: 7_200, boundObjectRef: bound },
    });
    return textAt(answer, 'status', 'token');
  }

  async #many(
    what: string,
    count: number,
    tell: (line: string) => void,
    make: (index: number) => Promise<void>,
  ): Promise<void> {
    const startMs = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        next += 1;
        await make(next - 1);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    tell(`${count} ${what} in ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
  }
}

function placeOf(object: PlainObject): { readonly namespace: string; readonly name: string } {
  return { namespace: textAt(object, 'metadata', 'namespace'), name: textAt(object, 'metadata', 'name') };
}

/** The text at a path of keys. Throws when there is none. */
function textAt(value: unknown, ...path: readonly string[]): string {
  let found = value;
  for (const key of path) found = isPlainObject(found) ? found[key] : undefined;
  if (typeof found === 'string') return found;
  throw new AmbitError('BAD_ANSWER', `the API server answered without ${path.join('.')}`);
}
