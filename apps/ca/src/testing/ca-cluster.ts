/**
 * CAs on a real API server, with pods, service accounts and tokens as kubelets would have them. Everything is in
 * namespaces of its own, which are deleted at the end; the CAs have the permissions of the README and no more.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GrpcChannel } from '@ambit/grpc';
import { GrpcCaClient } from '@ambit/identity';
import {
  KubeClient,
  type ObjectRef,
  type PlainObject,
  apiKinds,
  clusterAccess,
  isPlainObject,
  rawKinds,
} from '@ambit/kube';
import { loadConfig } from '@ambit/runtime';
import { createLogger } from '@ambit/telemetry';
import { type CaDependencies, type RunningCa, startCa } from '../ca.ts';
import { type CaConfig, caConfig } from '../config.ts';
import { clusterRules, ownRules } from './ca-permissions.ts';
import { RecordingBus } from './recording-bus.ts';

const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const clusterRole = { ...rbac, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false };
const clusterRoleBinding = { ...rbac, kind: 'ClusterRoleBinding', plural: 'clusterrolebindings', namespaced: false };
const role = { ...rbac, kind: 'Role', plural: 'roles', namespaced: true };
const roleBinding = { ...rbac, kind: 'RoleBinding', plural: 'rolebindings', namespaced: true };

/** A pod as it was created. */
export interface TestPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly account: string;
}

export class CaCluster implements AsyncDisposable {
  readonly client: KubeClient;
  /** Begins the name of everything. */
  readonly id: string = `ca-${randomBytes(3).toString('hex')}`;
  /** Where the CAs and the node proxies live. */
  readonly namespace: string = `${this.id}-system`;
  readonly logLines: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'ambit-ca-cluster-'));
  readonly #cleanup = new AsyncDisposableStack();
  readonly #namespaces: string[] = [];

  private constructor(client: KubeClient) {
    this.client = client;
  }

  static async open(kubeconfigPath: string): Promise<CaCluster> {
    const cluster = new CaCluster(new KubeClient(await clusterAccess({ kubeconfigPath }), { userAgent: 'ca-test' }));
    await cluster.addNamespace(cluster.namespace);
    await cluster.addAccount(cluster.namespace, 'ambit-ca');
    await cluster.#grant();
    return cluster;
  }

  async addNamespace(name: string, labels: PlainObject = { 'ambit-test': this.id }): Promise<string> {
    await this.client.create(apiKinds.Namespace, { metadata: { name, labels } });
    this.#namespaces.push(name);
    return name;
  }

  async addAccount(namespace: string, name: string): Promise<void> {
    await this.client.create(apiKinds.ServiceAccount, { metadata: { name, namespace } });
  }

  /** A pod on a node, running as far as the API server can tell. */
  async addPod(namespace: string, name: string, account: string, node: string): Promise<TestPod> {
    const created = await this.client.create(apiKinds.Pod, {
      metadata: { name, namespace },
      spec: { nodeName: node, serviceAccountName: account, containers: [{ name: 'app', image: 'none' }] },
    });
    return { namespace, name, uid: uidOf(created), account };
  }

  async setPhase(pod: TestPod, phase: string): Promise<void> {
    await this.client.patch({ kind: apiKinds.Pod, ...pod }, { status: { phase } }, { subresource: 'status' });
  }

  /** As kubelet would: now, without waiting for a container to stop. */
  async deletePod(pod: TestPod): Promise<void> {
    await this.client.post(`/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod.name, namespace: pod.namespace },
      deleteOptions: { gracePeriodSeconds: 0 },
    });
  }

  /** A token as kubelet projects it; `pod` binds it. */
  async token(
    namespace: string,
    account: string,
    pod?: TestPod,
    audiences: readonly string[] = ['istio-ca'],
  ): Promise<string> {
    const boundObjectRef =
      pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid } };
    const answer = await this.client.post(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [...audiences], expirationSeconds: 3600, ...boundObjectRef },
    });
    const status = isPlainObject(answer) ? answer['status'] : undefined;
    const token = isPlainObject(status) ? status['token'] : undefined;
    if (typeof token !== 'string') throw new Error('the API server gave no token');
    return token;
  }

  /** Starts one replica. The caller disposes it. */
  async startCa(settings: Partial<CaConfig> = {}, dependencies: Partial<CaDependencies> = {}): Promise<RunningCa> {
    const config: CaConfig = {
      ...loadConfig(caConfig, {}).config,
      grpc: { address: '127.0.0.1', port: 0 },
      httpAddress: '127.0.0.1',
      httpPort: 0,
      source: 'kubernetes',
      kubeconfig: await this.#kubeconfig(),
      podNamespace: this.namespace,
      podName: `ca-${randomBytes(3).toString('hex')}`,
      trustedNodeAccounts: [`${this.namespace}/ztunnel`],
      namespaceSelector: `ambit-test=${this.id}`,
      keyPollMs: 50,
      drainMs: 100,
      ...settings,
    };
    const logger = createLogger({ destination: { write: (line) => void this.logLines.push(line) } });
    return startCa(config, { bus: new RecordingBus(), logger, ...dependencies });
  }

  /** A client of a CA; the channel belongs to the caller. */
  caClient(ca: RunningCa, token: string, options: { readonly isImpersonating: boolean }): CaTestClient {
    const channel = new GrpcChannel({
      address: `https://127.0.0.1:${ca.port}`,
      roots: { kind: 'inline', pem: ca.authority.material.rootsPem },
      clusterId: 'Kubernetes',
      token: { kind: 'literal', token },
    });
    const client = new GrpcCaClient({ channel, isImpersonating: options.isImpersonating });
    return { client, channel, [Symbol.dispose]: () => channel[Symbol.dispose]() };
  }

  /** `root-cert.pem` of a namespace; empty when there is none. */
  async publishedRoots(namespace: string): Promise<string> {
    const map = await this.client.get(this.rootMap(namespace));
    const data = isPlainObject(map) ? map['data'] : undefined;
    const pem = isPlainObject(data) ? data['root-cert.pem'] : undefined;
    return typeof pem === 'string' ? pem : '';
  }

  rootMap(namespace: string): ObjectRef {
    return { kind: rawKinds.ConfigMap, namespace, name: 'istio-ca-root-cert' };
  }

  secret(name: string): ObjectRef {
    return { kind: rawKinds.Secret, namespace: this.namespace, name };
  }

  /** Creates or replaces a Secret of the CA's namespace. */
  async putSecret(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
    const object = { metadata: { name, namespace: this.namespace }, data: Object.fromEntries(encoded) };
    const ref = this.secret(name);
    if ((await this.client.get(ref)) === undefined) await this.client.create(rawKinds.Secret, object);
    else await this.client.replace(ref, object);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
    for (const name of this.#namespaces) await this.client.delete({ kind: apiKinds.Namespace, name });
    this.client.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #grant(): Promise<void> {
    const { id, namespace } = this;
    const subjects = [{ kind: 'ServiceAccount', name: 'ambit-ca', namespace }];
    const refOf = (kind: string): object => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name: id });
    await this.client.create(clusterRole, { metadata: { name: id }, rules: clusterRules });
    await this.client.create(clusterRoleBinding, { metadata: { name: id }, roleRef: refOf('ClusterRole'), subjects });
    this.#cleanup.defer(async () => {
      await this.client.delete({ kind: clusterRoleBinding, name: id });
      await this.client.delete({ kind: clusterRole, name: id });
    });
    await this.client.create(role, { metadata: { name: id, namespace }, rules: ownRules });
    await this.client.create(roleBinding, { metadata: { name: id, namespace }, roleRef: refOf('Role'), subjects });
  }

  /** A kubeconfig with the CA's own token. */
  async #kubeconfig(): Promise<string> {
    const { access } = this.client;
    const token = await this.token(this.namespace, 'ambit-ca', undefined, []);
    const ca = access.caPem === undefined ? {} : { 'certificate-authority-data': base64(access.caPem) };
    const config = {
      'current-context': 'ca',
      contexts: [{ name: 'ca', context: { cluster: 'c', user: 'u', namespace: this.namespace } }],
      clusters: [{ name: 'c', cluster: { server: access.server.href, ...ca } }],
      users: [{ name: 'u', user: { token } }],
    };
    const path = join(this.#folder, 'kubeconfig');
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }
}

/** A client with its channel. */
export interface CaTestClient extends Disposable {
  readonly client: GrpcCaClient;
  readonly channel: GrpcChannel;
}

function uidOf(object: unknown): string {
  const metadata = isPlainObject(object) ? object['metadata'] : undefined;
  const uid = isPlainObject(metadata) ? metadata['uid'] : undefined;
  if (typeof uid !== 'string') throw new Error('the API server gave no uid');
  return uid;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
