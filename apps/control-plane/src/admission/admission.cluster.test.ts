/** A real API server asks the webhook. It runs in a network namespace of its own, so a relay stands there. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type ApiKind, apiKinds, isPlainObject, KubeError } from '@ambit/kube';
import { eventually, makeTestCa } from '@ambit/testing';
import { meshCollections } from '../derive/mesh-collections.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { buildAdmissionServer } from './admission-server.ts';
import { keepWebhookTrust, writeWebhookTrust } from './webhook-trust.ts';

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const apiNetwork = process.env['AMBIT_TEST_API_NETNS'] ?? '';
const skip =
  kubeconfig === ''
    ? 'set AMBIT_TEST_KUBECONFIG to a kubeconfig'
    : apiNetwork === ''
      ? 'set AMBIT_TEST_API_NETNS to the network namespace of the API server'
      : false;

const webhookKind: ApiKind = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  namespaced: false,
};

/** Listens on loopback of the API server's network and hands every connection to a socket of this machine. */
class Relay implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(socketPath: string) {
    const script = `require('node:net').createServer((from) => {
      const to = require('node:net').connect(${JSON.stringify(socketPath)});
      from.pipe(to).pipe(from);
      for (const end of [from, to]) end.on('error', () => { from.destroy(); to.destroy(); });
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
    const command = [`--net=/run/netns/${apiNetwork}`, process.execPath, '-e', script];
    this.#child = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  async port(): Promise<number> {
    const { stdout } = this.#child;
    assert.ok(stdout !== null);
    const [line]: unknown[] = await once(createInterface({ input: stdout }), 'line');
    return Number(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.kill('SIGKILL')) await once(this.#child, 'exit');
  }
}

const ca = makeTestCa();
const material = () => ca.issue(undefined, { ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });

/** A webhook that the API server asks about the objects of one namespace. */
async function openWebhook(cluster: TestCluster) {
  await cluster.installDefinition('authorizationpolicies', 'security.istio.io');
  await using cleanup = new AsyncDisposableStack();
  const verdicts: number[] = [];
  const { server } = buildAdmissionServer({
    mesh: meshCollections(defaultMeshSettings).review,
    observer: { judged: ({ errors }) => void verdicts.push(errors.length) },
    tls: material(),
  });
  const socketPath = join(cluster.folder, 'webhook.sock');
  cleanup.defer(() => server.close());
  await server.listen({ path: socketPath });
  const relay = cleanup.use(new Relay(socketPath));
  const name = `ambit-validator-${cluster.id}`;
  await cluster.apply(webhookKind, '', name, {
    webhooks: [
      {
        name: 'validation.ambit.dev',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Ignore',
        timeoutSeconds: 5,
        clientConfig: { url: `https://127.0.0.1:${await relay.port()}/validate` },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': cluster.shop } },
        rules: [
          {
            apiGroups: ['security.istio.io'],
            apiVersions: ['*'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['*'],
            scope: 'Namespaced',
          },
        ],
      },
    ],
  });
  const stack = cleanup.move();
  return { name, verdicts, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const sound = { action: 'ALLOW', rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] };
/** Fits the schema and cannot be put in force. */
const broken = { action: 'ALLOW', rules: [{ when: [{ key: 'source.namspace', values: ['shop'] }] }] };

const trustIn = (cluster: TestCluster, name: string) => ({
  client: cluster.client,
  name,
  roots: () => ca.rootsPem,
});

test('the API server refuses a broken policy with the place and advice, and stores a sound one', { skip }, async () => {
  await using cluster = await TestCluster.open();
  await using webhook = await openWebhook(cluster);
  const write = (name: string, spec: object) =>
    cluster.apply(apiKinds.AuthorizationPolicy, cluster.shop, name, { spec });
  assert.equal(await writeWebhookTrust(trustIn(cluster, webhook.name), AbortSignal.timeout(5_000)), true);
  assert.equal(await writeWebhookTrust(trustIn(cluster, webhook.name), AbortSignal.timeout(5_000)), false);
  // The API server takes notice of a changed configuration within moments.
  let attempt = 0;
  await eventually('the API server asks', async () => {
    await write(`sound-${(attempt += 1)}`, sound);
    return webhook.verdicts.length > 0;
  });
  await assert.rejects(
    write('broken', broken),
    (error: unknown) =>
      error instanceof KubeError &&
      /spec\.rules\[0\]\.when\[0\]: key "source\.namspace" is no attribute; known are/.test(error.message),
  );
  const stored = await cluster.client.get(cluster.ref(apiKinds.AuthorizationPolicy, cluster.shop, 'broken'));
  assert.equal(stored, undefined);
});

test('a webhook that is not trusted or is away blocks nobody', { skip }, async () => {
  await using cluster = await TestCluster.open();
  const write = (name: string) => cluster.apply(apiKinds.AuthorizationPolicy, cluster.shop, name, { spec: broken });
  {
    await using webhook = await openWebhook(cluster);
    await write('untrusted');
    assert.deepEqual(webhook.verdicts, []);
    await writeWebhookTrust(trustIn(cluster, webhook.name), AbortSignal.timeout(5_000));
  }
  // Resolves: a webhook that is away refuses nothing.
  await write('away');
});

test(
  'the leader repairs the trust of its webhook, and one that was not installed is no mistake',
  { skip },
  async () => {
    await using cluster = await TestCluster.open();
    const name = `ambit-validator-${cluster.id}`;
    assert.equal(await writeWebhookTrust(trustIn(cluster, name), AbortSignal.timeout(5_000)), false);
    await using webhook = await openWebhook(cluster);
    const term = new AbortController();
    const errors: string[] = [];
    const kept = keepWebhookTrust(
      { ...trustIn(cluster, webhook.name), onError: ({ message }) => void errors.push(message) },
      term.signal,
    );
    const bundle = async (): Promise<string> => {
      const found = await cluster.client.get(cluster.ref(webhookKind, '', webhook.name));
      const [first] = isPlainObject(found) && Array.isArray(found['webhooks']) ? found['webhooks'] : [];
      return isPlainObject(first) && isPlainObject(first['clientConfig'])
        ? String(first['clientConfig']['caBundle'])
        : '';
    };
    const wanted = Buffer.from(ca.rootsPem).toString('base64');
    await eventually(
      () => `the bundle comes: ${errors.join('; ')}`,
      async () => (await bundle()) === wanted,
    );
    term.abort();
    await kept;
    assert.deepEqual(errors, []);
  },
);
