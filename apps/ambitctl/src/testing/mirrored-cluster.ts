/**
 * A small mesh as objects of an API server without kubelets, whose pods are those of a lab: the API server gets the status
 * that a kubelet would write, with the addresses of the lab's pods.
 */
import { apiKinds, clusterAccess, KubeClient, KubeError, rawKinds, type ApiKind } from '@ambit/kube';
import { eventually } from '@ambit/testing';
import type { Lab } from '../lab/lab.ts';

const POLICY_KINDS = [apiKinds.AuthorizationPolicy, apiKinds.PeerAuthentication];
const MANAGER = 'ambit-interop';

export interface MirroredPod {
  readonly name: string;
  readonly node: string;
  readonly command: readonly string[];
  readonly port?: number;
}

/** What is written to the API server, and as manifests to the lab. */
export class MirroredCluster implements Disposable {
  /** The pods live here; its name is this run's own, as no controller could delete it. */
  readonly namespace: string;
  readonly systemNamespace: string;
  readonly nodes: readonly string[];
  readonly #client: KubeClient;
  readonly #pods: readonly MirroredPod[];

  private constructor(client: KubeClient, id: string, nodes: readonly string[], pods: readonly MirroredPod[]) {
    this.#client = client;
    this.namespace = `mesh-${id}`;
    this.systemNamespace = `system-${id}`;
    this.nodes = nodes;
    this.#pods = pods;
  }

  /** Creates kinds, namespaces, nodes, accounts and services; the pods come with {@link publishPods}. */
  static async create(
    kubeconfigPath: string,
    id: string,
    nodes: readonly string[],
    pods: readonly MirroredPod[],
  ): Promise<MirroredCluster> {
    const client = new KubeClient(await clusterAccess({ kubeconfigPath }), { userAgent: MANAGER });
    const cluster = new MirroredCluster(client, id, nodes, pods);
    for (const kind of POLICY_KINDS) await cluster.#put(rawKinds.CustomResourceDefinition, definition(kind));
    for (const { name, labels } of [
      { name: cluster.systemNamespace, labels: {} },
      { name: cluster.namespace, labels: { 'istio.io/dataplane-mode': 'ambient' } },
    ])
      await cluster.#put(apiKinds.Namespace, { metadata: { name, labels } });
    for (const name of nodes) await cluster.#put(apiKinds.Node, { metadata: { name } });
    await cluster.#put(apiKinds.ServiceAccount, { metadata: { namespace: cluster.systemNamespace, name: 'ztunnel' } });
    for (const node of nodes) await cluster.#put(apiKinds.Pod, cluster.#proxyPod(node));
    for (const object of cluster.#workloads()) await cluster.#put(object.kind, object.body);
    return cluster;
  }

  /** The lab's manifests: JSON is YAML. */
  manifests(): string {
    const objects: readonly KindAndBody[] = [
      ...this.nodes.map((name): KindAndBody => ({ kind: apiKinds.Node, body: { metadata: { name } } })),
      {
        kind: apiKinds.Namespace,
        body: { metadata: { name: this.namespace, labels: { 'istio.io/dataplane-mode': 'ambient' } } },
      },
      ...this.#workloads(),
      ...this.#pods.map((pod): KindAndBody => ({ kind: apiKinds.Pod, body: this.#podOf(pod) })),
    ];
    return objects.map(({ kind, body }) => `${JSON.stringify({ ...typeOf(kind), ...body })}\n`).join('---\n');
  }

  /** Creates the pods with the addresses they have in the lab, enrolled and ready. */
  async publishPods(lab: Lab): Promise<void> {
    for (const pod of this.#pods) {
      const { address } = lab.pod(`${this.namespace}/${pod.name}`);
      await this.#put(apiKinds.Pod, this.#podOf(pod, { 'ambient.istio.io/redirection': 'enabled' }));
      const status = {
        phase: 'Running',
        podIP: address.v4,
        podIPs: [{ ip: address.v4 }],
        conditions: [{ type: 'Ready', status: 'True' }],
      };
      const ref = { kind: apiKinds.Pod, namespace: this.namespace, name: pod.name };
      await this.#client.patch(ref, { status }, { subresource: 'status' });
    }
  }

  /** A token as kubelet would project it into the ztunnel pod of a node. */
  async proxyToken(node: string): Promise<string> {
    const path = `/api/v1/namespaces/${this.systemNamespace}/serviceaccounts/ztunnel/token`;
    const answer: unknown = await this.#client.post(path, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: ['istio-ca'],
        expirationSeconds: 3600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: proxyPodName(node) },
      },
    });
    return textAt(answer, 'status', 'token');
  }

  /** The mesh's root certificate, as istiod gives it to each namespace. */
  async rootCertificate(): Promise<string> {
    const ref = { kind: rawKinds.ConfigMap, namespace: this.namespace, name: 'istio-ca-root-cert' };
    return await eventually('istio-ca-root-cert of istiod', async () => {
      const map = await this.#client.get(ref);
      return map === undefined ? undefined : textAt(map, 'data', 'root-cert.pem');
    });
  }

  async putPolicy(kind: 'AuthorizationPolicy' | 'PeerAuthentication', name: string, spec: object): Promise<void> {
    await this.#put(apiKinds[kind], { metadata: { namespace: this.namespace, name }, spec });
  }

  async deletePolicy(kind: 'AuthorizationPolicy' | 'PeerAuthentication', name: string): Promise<void> {
    await this.#client.delete({ kind: apiKinds[kind], namespace: this.namespace, name });
  }

  /** Address of a Service. */
  async clusterIp(name: string): Promise<string> {
    return textAt(
      await this.#client.get({ kind: apiKinds.Service, namespace: this.namespace, name }),
      'spec',
      'clusterIP',
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #workloads(): readonly KindAndBody[] {
    const { namespace } = this;
    return this.#pods.flatMap(({ name, port }): KindAndBody[] => [
      { kind: apiKinds.ServiceAccount, body: { metadata: { namespace, name } } },
      ...(port === undefined
        ? []
        : [
            {
              kind: apiKinds.Service,
              body: {
                metadata: { namespace, name },
                spec: { selector: { app: name }, ports: [{ name: 'tcp', port: 80, targetPort: port }] },
              },
            },
          ]),
    ]);
  }

  #podOf({ name, node, command, port }: MirroredPod, annotations: Readonly<Record<string, string>> = {}): Body {
    const probe = port === undefined ? {} : { readinessProbe: { tcpSocket: { port } } };
    return {
      metadata: { namespace: this.namespace, name, labels: { app: name }, annotations },
      spec: {
        nodeName: node,
        serviceAccountName: name,
        containers: [{ name: 'main', image: 'localhost/none:1', command, ...probe }],
      },
    };
  }

  #proxyPod(node: string): Body {
    return {
      metadata: { namespace: this.systemNamespace, name: proxyPodName(node), labels: { app: 'ztunnel' } },
      spec: {
        nodeName: node,
        serviceAccountName: 'ztunnel',
        containers: [{ name: 'main', image: 'localhost/none:1' }],
      },
    };
  }

  async #put(kind: ApiKind, body: Body): Promise<void> {
    const { metadata } = body;
    const ref = { kind, name: metadata.name, ...(metadata.namespace ? { namespace: metadata.namespace } : {}) };
    // A kind that was just defined is served a moment later, and a namespace gets its accounts.
    await eventually(`${kind.kind} ${metadata.name}`, async () => {
      try {
        await this.#client.apply(ref, { ...typeOf(kind), ...body }, { fieldManager: MANAGER, force: true });
        return true;
      } catch (error) {
        if (error instanceof KubeError && error.code === 'NOT_FOUND') return undefined;
        throw error;
      }
    });
  }
}

interface Body extends Readonly<Record<string, unknown>> {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: object;
}

interface KindAndBody {
  readonly kind: ApiKind;
  readonly body: Body;
}

export function proxyPodName(node: string): string {
  return `ztunnel-${node}`;
}

function typeOf(kind: ApiKind): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}`, kind: kind.kind };
}

/** A kind without a schema of its own: what the users' clusters validate is not the matter here. */
function definition(kind: ApiKind): Body {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    metadata: { name: `${kind.plural}.${kind.group}` },
    spec: {
      group: kind.group,
      scope: 'Namespaced',
      names: { kind: kind.kind, plural: kind.plural, singular: kind.kind.toLowerCase(), listKind: `${kind.kind}List` },
      versions: [{ name: kind.version, served: true, storage: true, subresources: { status: {} }, schema }],
    },
  };
}

function textAt(value: unknown, ...path: readonly string[]): string {
  let at: unknown = value;
  for (const key of path) at = typeof at === 'object' && at !== null ? new Map(Object.entries(at)).get(key) : undefined;
  if (typeof at !== 'string') throw new Error(`the API server's answer has no ${path.join('.')}`);
  return at;
}
