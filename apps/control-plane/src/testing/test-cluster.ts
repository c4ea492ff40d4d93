/** Namespaces, accounts, pods and tokens on the API server of the cluster ring. For tests only. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiKind, apiKinds, clusterAccess, KubeClient, type ObjectRef, rawKinds } from '@ambit/kube';
import { eventually } from '@ambit/testing';
import { parse, parseAllDocuments } from 'yaml';

const rbac = (kind: string, plural: string, namespaced: boolean): ApiKind => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind,
  plural,
  namespaced,
});
const rbacKinds = {
  ClusterRole: rbac('ClusterRole', 'clusterroles', false),
  ClusterRoleBinding: rbac('ClusterRoleBinding', 'clusterrolebindings', false),
  Role: rbac('Role', 'roles', true),
  RoleBinding: rbac('RoleBinding', 'rolebindings', true),
};
const root = join(import.meta.dirname, '../../../..');
type Json = Readonly<Record<string, unknown>>;

/** Names the cluster of these tests; empty: there is none. */
export const testKubeconfig: string = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';

/** Why tests that need a cluster are skipped, or false. */
export const noCluster: string | false = testKubeconfig === '' ? 'set AMBIT_TEST_KUBECONFIG to a kubeconfig' : false;

/** Waits until `condition` gives something; throws with `describe` after three minutes, which is much for a busy machine. */
export function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  describe: () => unknown = () => condition.toString(),
): Promise<T> {
  return eventually(() => JSON.stringify(describe()), condition, 180_000);
}

export class TestCluster implements AsyncDisposable {
  readonly client: KubeClient;
  readonly id: string = randomBytes(4).toString('hex');
  /** Namespace of the mesh components, and of mesh-wide policies. */
  readonly system: string = `cp-${this.id}-system`;
  /** Namespace of workloads. */
  readonly shop: string = `cp-${this.id}-shop`;
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ambit-cp-cluster-'));
  readonly #made: ObjectRef[] = [];

  private constructor(client: KubeClient) {
    this.client = client;
  }

  static async open(): Promise<TestCluster> {
    const access = await clusterAccess({ kubeconfigPath: testKubeconfig });
    const cluster = new TestCluster(new KubeClient(access, { userAgent: 'ambit-test' }));
    for (const name of [cluster.system, cluster.shop]) await cluster.apply(apiKinds.Namespace, '', name, {});
    return cluster;
  }

  ref(kind: ApiKind, namespace: string, name: string): ObjectRef {
    return kind.namespaced ? { kind, namespace, name } : { kind, name };
  }

  /** Applies an object that is removed at the end; `status` is written as well where the kind has one. */
  async apply(kind: ApiKind, namespace: string, name: string, object: Json): Promise<void> {
    const ref = this.ref(kind, namespace, name);
    const { status, ...rest } = object;
    await this.client.apply(ref, rest, { fieldManager: 'test', force: true });
    if (!this.#made.some((made) => made.kind === kind && made.name === name && made.namespace === ref.namespace)) {
      this.#made.push(ref);
    }
    if (status === undefined) return;
    await this.client.apply(ref, { status }, { fieldManager: 'test', force: true, subresource: 'status' });
  }

  async delete(kind: ApiKind, namespace: string, name: string): Promise<void> {
    await this.client.delete(this.ref(kind, namespace, name));
  }

  /** A pod with the status that a kubelet would write. */
  async runPod(namespace: string, name: string, ip: string, more: Json = {}): Promise<void> {
    const { account = 'default', node = `node-${this.id}`, labels = { app: name }, annotations = {} } = more;
    await this.apply(apiKinds.ServiceAccount, namespace, String(account), {});
    await this.apply(apiKinds.Pod, namespace, name, {
      metadata: { labels, annotations },
      spec: {
        nodeName: node,
        serviceAccountName: account,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'none' }],
      },
      status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
    });
  }

  /** A token of a service account, bound to a pod where one is named. */
  async token(namespace: string, account: string, pod?: string, audience?: string): Promise<string> {
    const found: unknown =
      pod === undefined ? undefined : await this.client.get(this.ref(apiKinds.Pod, namespace, pod));
    const bound =
      pod === undefined ? {} : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod, uid: uidOf(found) } };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const spec = { expirationSeconds: 3600, ...bound, ...(audience === undefined ? {} : { audiences: [audience] }) };
    const answer = await this.client.post(path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
    const token = at(answer, 'status', 'token');
    if (typeof token !== 'string') throw new Error('no token');
    return token;
  }

  /** The account of the control plane with the rules of `rbac.yaml` and other files, and a kubeconfig for it. */
  async controlPlaneAccount(server: string, ...more: readonly string[]): Promise<string> {
    const account = 'ambit-control-plane';
    await this.apply(apiKinds.ServiceAccount, this.system, account, {});
    const subjects = [{ kind: 'ServiceAccount', name: account, namespace: this.system }];
    const files = ['rbac.yaml', ...more].map((file) => join(root, 'apps/control-plane', file));
    for (const document of files.flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')))) {
      const object: unknown = document.toJS();
      const isCluster = at(object, 'kind') === 'ClusterRole';
      const name = isCluster ? `${String(at(object, 'metadata', 'name'))}-${this.id}` : account;
      const role = isCluster ? rbacKinds.ClusterRole : rbacKinds.Role;
      await this.apply(role, this.system, name, { rules: at(object, 'rules') });
      const binding = isCluster ? rbacKinds.ClusterRoleBinding : rbacKinds.RoleBinding;
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: role.kind, name };
      await this.apply(binding, this.system, name, { roleRef, subjects });
    }
    const path = join(this.folder, 'kubeconfig');
    const { caPem = '' } = this.client.access;
    const cluster = {
      server,
      'certificate-authority-data': Buffer.from(caPem).toString('base64'),
      'tls-server-name': 'localhost',
    };
    const config = {
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      clusters: [{ name: 'x', cluster }],
      users: [{ name: 'x', user: { token: await this.token(this.system, account) } }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  /** Installs one of the mesh's CRDs; it stays. */
  async installDefinition(plural: string, group: string): Promise<void> {
    const object: unknown = parse(readFileSync(join(root, `charts/ambit-crds/definitions/${plural}.yaml`), 'utf8'), {
      maxAliasCount: -1,
    });
    const ref = { kind: rawKinds.CustomResourceDefinition, name: `${plural}.${group}` };
    await this.client.apply(ref, { ...objectOf(object) }, { fieldManager: 'test', force: true });
    await until(async () => {
      const served = await this.client.getPath(`/apis/${group}/v1`).catch(() => undefined);
      return JSON.stringify(served ?? '').includes(`"${plural}"`);
    });
  }

  /** Installs a CRD that takes anything, in the place of one that users bring; it stays, and one that is there is kept. */
  async installOpenDefinition({ group, version, kind, plural, namespaced }: ApiKind): Promise<void> {
    const ref = { kind: rawKinds.CustomResourceDefinition, name: `${plural}.${group}` };
    if ((await this.client.get(ref)) === undefined) {
      const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
      const schema = { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } };
      await this.client.apply(
        ref,
        {
          metadata: { annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' } },
          spec: {
            group,
            scope: namespaced ? 'Namespaced' : 'Cluster',
            names: { kind, plural, singular: kind.toLowerCase() },
            versions: [{ name: version, served: true, storage: true, schema, subresources: { status: {} } }],
          },
        },
        { fieldManager: 'test', force: true },
      );
    }
    await until(async () => {
      const served = await this.client.getPath(`/apis/${group}/${version}`).catch(() => undefined);
      return JSON.stringify(served ?? '').includes(`"${plural}"`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ref of this.#made.toReversed()) await this.client.delete(ref).catch(() => undefined);
    this.client.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The value at a path of keys. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = new Map<string, unknown>(Object.entries(found)).get(String(key));
  }
  return found;
}

function uidOf(object: unknown): unknown {
  return at(object, 'metadata', 'uid');
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
