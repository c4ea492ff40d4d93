/** What the agent reads and writes at a real API server, with exactly the rights that the chart gives it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ApiKind, apiKinds, clusterAccess, KubeClient, type Pod } from '@ambit/kube';
import { createLogger } from '@ambit/telemetry';
import { eventually } from '@ambit/testing';
import { parseAllDocuments } from 'yaml';
import { unenforced, type Verdict } from '../proof/judge-proof.ts';
import { ClusterSide } from './cluster-side.ts';

interface LiveCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly lastProbeTime?: string;
}

/** The fields of pods and nodes that these tests look at. */
interface LiveObject {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
  readonly status: { readonly conditions?: readonly LiveCondition[] };
}

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const skip = kubeconfig === '' ? 'AMBIT_TEST_KUBECONFIG names no cluster' : false;
const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const CLUSTER_ROLE: ApiKind = { ...RBAC, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false };
const CLUSTER_BINDING: ApiKind = {
  ...RBAC,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
};
const ROLE: ApiKind = { ...RBAC, kind: 'Role', plural: 'roles', namespaced: true };
const BINDING: ApiKind = { ...RBAC, kind: 'RoleBinding', plural: 'rolebindings', namespaced: true };
const DAEMON_SET: ApiKind = { group: 'apps', version: 'v1', kind: 'DaemonSet', plural: 'daemonsets', namespaced: true };
const EVENT: ApiKind = { group: 'events.k8s.io', version: 'v1', kind: 'Event', plural: 'events', namespaced: true };
const CHART = join(import.meta.dirname, '../../../../charts/ambit/charts/cni-agent/templates/rbac.yaml');
const TAINT = 'ambit.test/not-ready';
const GOOD: Verdict = { kind: 'enforced', message: 'all is well' };

/** The rules of a template, which has no placeholders in them. */
function rulesOf(kind: string): unknown {
  const text = readFileSync(CHART, 'utf8').replaceAll(/^.*\{\{.*$/gm, '');
  const found = parseAllDocuments(text).map((document) => document.toJS());
  return found.find((one) => one?.kind === kind)?.rules;
}

describe('the agent at an API server', { skip }, () => {
  const id = `ambt-agent-${randomBytes(4).toString('hex')}`;
  const folder = mkdtempSync(join(tmpdir(), 'ambt-agent-side-'));
  const ending = new AbortController();
  const daemonSet = { kind: DAEMON_SET, namespace: id, name: 'ambit-cni-agent' };
  const web = { kind: apiKinds.Pod, namespace: id, name: 'web' };
  let admin: KubeClient;
  let side: ClusterSide;
  let pod: Pod;

  const read = async (ref: Parameters<KubeClient['get']>[0]): Promise<LiveObject> =>
    JSON.parse(JSON.stringify(await admin.get(ref)));
  const condition = async (): Promise<LiveCondition | undefined> =>
    (await read(web)).status.conditions?.find(({ type }) => type === 'ambit.dev/Enforced');

  async function grant(): Promise<void> {
    const metadata = { name: id, namespace: id };
    const subjects = [{ kind: 'ServiceAccount', name: 'agent', namespace: id }];
    const roleRef = (kind: string): object => ({ apiGroup: RBAC.group, kind, name: id });
    await admin.create(apiKinds.ServiceAccount, { metadata: { name: 'agent', namespace: id } });
    await admin.create(CLUSTER_ROLE, { metadata: { name: id }, rules: rulesOf('ClusterRole') });
    await admin.create(CLUSTER_BINDING, { metadata: { name: id }, roleRef: roleRef('ClusterRole'), subjects });
    await admin.create(ROLE, { metadata, rules: rulesOf('Role') });
    await admin.create(BINDING, { metadata, roleRef: roleRef('Role'), subjects });
  }

  /** What the API server has made of an object, as the test reads it. */
  async function posted(path: string, body: object): Promise<{ readonly status: { readonly token: string } }> {
    return JSON.parse(JSON.stringify(await admin.post(path, { ...body })));
  }

  async function agentKubeconfig(): Promise<string> {
    const { status } = await posted(`/api/v1/namespaces/${id}/serviceaccounts/agent/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3_600 },
    });
    const { server, caPem = '' } = admin.access;
    const cluster = { server: server.href, 'certificate-authority-data': Buffer.from(caPem).toString('base64') };
    const path = join(folder, 'kubeconfig');
    const config = {
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      clusters: [{ name: 'x', cluster }],
      users: [{ name: 'x', user: { token: status.token } }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  async function addPod(name: string, nodeName: string): Promise<void> {
    await admin.create(apiKinds.Pod, {
      metadata: { name, namespace: id },
      spec: {
        nodeName,
        terminationGracePeriodSeconds: 0,
        serviceAccountName: 'agent',
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'main', image: 'none' }],
      },
    });
  }

  before(async () => {
    admin = new KubeClient(await clusterAccess({ kubeconfigPath: kubeconfig }), { userAgent: 'ambit-test' });
    await admin.create(apiKinds.Namespace, {
      metadata: { name: id, labels: { 'istio.io/dataplane-mode': 'ambient' } },
    });
    await grant();
    for (const name of [id, `${id}-other`])
      await admin.create(apiKinds.Node, {
        metadata: { name, labels: { pool: 'mesh' } },
        spec: {
          taints: [
            { key: TAINT, effect: 'NoSchedule' },
            { key: 'theirs', effect: 'NoSchedule' },
          ],
        },
      });
    const labels = { app: 'agent' };
    await admin.create(DAEMON_SET, {
      metadata: { name: daemonSet.name, namespace: id },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { nodeSelector: { pool: 'mesh' }, containers: [{ name: 'main', image: 'none' }] },
        },
      },
    });
    await addPod('web', id);
    await addPod('elsewhere', `${id}-other`);
    side = await ClusterSide.open({
      nodeName: id,
      namespace: id,
      daemonSet: daemonSet.name,
      taint: TAINT,
      access: { kubeconfigPath: await agentKubeconfig() },
      log: createLogger({ destination: { write: () => {} } }).scope('agent'),
    });
    await side.start(ending.signal);
    pod = side.source.list('Pod').find(({ metadata }) => metadata.name === 'web') ?? assert.fail('no pod');
  });

  after(async () => {
    ending.abort(new Error('the test is over'));
    await side?.[Symbol.asyncDispose]();
    for (const name of ['web', 'elsewhere']) await admin.delete({ kind: apiKinds.Pod, namespace: id, name });
    for (const kind of [CLUSTER_BINDING, CLUSTER_ROLE, apiKinds.Namespace]) await admin.delete({ kind, name: id });
    for (const name of [id, `${id}-other`]) await admin.delete({ kind: apiKinds.Node, name });
    admin.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('sees the pods of its own node only, and the labels of their namespace', () => {
    assert.deepEqual(
      side.source
        .list('Pod')
        .filter(({ metadata }) => metadata.namespace === id)
        .map(({ metadata }) => metadata.name),
      ['web'],
    );
    const namespace = side.source.list('Namespace').find(({ metadata }) => metadata.name === id);
    assert.equal(namespace?.metadata.labels['istio.io/dataplane-mode'], 'ambient');
  });

  test('writes and removes the annotation, and never that of another pod of the same name', async () => {
    const annotation = async (): Promise<unknown> =>
      (await read(web)).metadata.annotations?.['ambient.istio.io/redirection'];
    await side.annotate(pod, 'enabled');
    assert.equal(await annotation(), 'enabled');
    const namesake: Pod = { ...pod, metadata: { ...pod.metadata, uid: '00000000-0000-0000-0000-000000000000' } };
    await side.annotate(namesake, 'pending');
    assert.equal(await annotation(), 'enabled');
    await side.annotate({ ...pod, metadata: { ...pod.metadata, name: 'gone' } }, 'enabled');
    await side.annotate(pod, undefined);
    assert.equal(await annotation(), undefined);
  });

  test('the condition follows the verdict beside those of others, with an event when it turns', async () => {
    const theirs = { type: 'Ready', status: 'True' };
    await admin.patch(web, { status: { conditions: [theirs] } }, { subresource: 'status' });
    side.report(pod, GOOD, Date.UTC(2026, 0, 1));
    await eventually('the condition', async () => (await condition())?.status === 'True');
    side.report(pod, unenforced('RulesAltered'), Date.UTC(2026, 0, 2));
    await eventually('the change', async () => (await condition())?.status === 'False');
    const now = await condition();
    assert.equal(now?.reason, 'RulesAltered');
    assert.match(now.message, /traffic may bypass the mesh/);
    assert.equal(now.lastTransitionTime, '2026-01-02T00:00:00Z');
    await eventually('the event', async () => {
      const events = await admin.list(EVENT, { namespace: id });
      return events.some(
        (one) => one['reason'] === 'RulesAltered' && JSON.stringify(one['regarding']).includes('"web"'),
      );
    });
    const namesake: Pod = { ...pod, metadata: { ...pod.metadata, uid: '00000000-0000-0000-0000-000000000000' } };
    side.report(namesake, GOOD, 0);
    side.report({ ...pod, metadata: { ...pod.metadata, name: 'gone', uid: 'gone' } }, GOOD, 0);
    side.report(pod, unenforced('NotServed'), 0);
    await eventually('what comes after those', async () => (await condition())?.reason === 'NotServed');
    side.retract(pod);
    await eventually('the condition to go', async () => (await condition()) === undefined);
    assert.ok((await read(web)).status.conditions?.some(({ type }) => type === 'Ready'));
  });

  test('a condition that an earlier agent left on a pod outside of the mesh is taken away', async () => {
    side.report(pod, GOOD, 0);
    await eventually('the condition', async () => (await condition())?.status === 'True');
    await side.clearReports((uid) => uid === pod.metadata.uid);
    assert.equal((await condition())?.status, 'True');
    await side.clearReports(() => false);
    assert.equal(await condition(), undefined);
  });

  test('takes its taint off the node, and only that', async () => {
    await side.onReady(AbortSignal.timeout(20_000));
    const keys = (await read({ kind: apiKinds.Node, name: id })).spec.taints?.map(({ key }) => key);
    assert.ok(keys?.includes('theirs') === true && !keys.includes(TAINT));
    await side.onReady(AbortSignal.timeout(20_000));
  });

  test('knows an upgrade from leaving: by the labels of the node, and by its DaemonSet', async () => {
    assert.equal(await side.isLeaving(), false);
    const node = { kind: apiKinds.Node, name: id };
    await admin.patch(node, { metadata: { labels: { pool: 'others' } } });
    assert.equal(await side.isLeaving(), true);
    await admin.patch(node, { metadata: { labels: { pool: 'mesh' } } });
    assert.equal(await side.isLeaving(), false);
    await admin.delete(daemonSet);
    assert.equal(await side.isLeaving(), true);
  });
});
