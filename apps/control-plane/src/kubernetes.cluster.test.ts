/** Control planes as processes on a real API server, with exactly the rights of `rbac.yaml`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload } from '@ambit/api';
import { apiKinds, rawKinds } from '@ambit/kube';
import { fromBinary } from '@bufbuild/protobuf';
import type { ControlPlaneProcess } from './testing/control-plane-process.ts';
import { oneReplica } from './testing/replicas.ts';
import { at, until, noCluster } from './testing/test-cluster.ts';
import { XdsProbe } from './testing/xds-probe.ts';

const skip = noCluster;

const one = oneReplica();

async function connect(
  to: ControlPlaneProcess = one.replica,
  bearer: string = one.replicas.token,
  nodeName = one.replicas.node,
): Promise<XdsProbe> {
  const { port } = await until(
    () => to.ports(),
    () => to.lines,
  );
  const identity = { instanceIp: '10.1.0.1', podName: 'ztunnel-1', podNamespace: one.cluster.system, nodeName };
  return new XdsProbe({
    port,
    rootsPem: one.replicas.rootsPem,
    token: bearer,
    node: { ...identity, extraMetadata: {} },
  });
}

const deny = (app: string): Readonly<Record<string, unknown>> => ({
  spec: { selector: { matchLabels: { app } }, action: 'DENY', rules: [{ from: [{ source: { namespaces: ['x'] } }] }] },
});

const seen = (probe: XdsProbe) => () => probe.responses.flatMap(({ resources }) => resources.map(({ name }) => name));

/** Names of the policies of a workload, from an encoded Address; none for what is no workload. */
function policiesOf(resource: { readonly value: Uint8Array } | undefined): readonly string[] {
  const { type } = resource === undefined ? {} : fromBinary(workload.AddressSchema, resource.value);
  return type?.case === 'workload' ? type.value.authorizationPolicies : [];
}

test('a pod is served when it runs, after the policy that is for it', { skip }, async () => {
  using probe = (await connect()).subscribe();
  await until(() => probe.isReady);
  const policy = `${one.cluster.shop}/deny-web`;
  await Promise.all([
    one.cluster.apply(apiKinds.AuthorizationPolicy, one.cluster.shop, 'deny-web', deny('web')),
    one.cluster.runPod(one.cluster.shop, 'web', '10.1.0.2'),
  ]);
  const naming = (): number =>
    probe.responses.findIndex(({ resources }) =>
      resources.some(({ name, resource }) => name.endsWith('/web') && policiesOf(resource).includes(policy)),
    );
  await until(() => naming() >= 0, seen(probe));
  const policyAt = probe.indexOf(policy);
  assert.ok(policyAt >= 0 && policyAt < naming(), `policy at ${policyAt}, the pod that names it at ${naming()}`);
  assert.ok(seen(probe)().includes(`Kubernetes//Pod/${one.cluster.shop}/web`));
  await one.cluster.delete(apiKinds.Pod, one.cluster.shop, 'web');
  await until(() => probe.removalOf('/web') >= 0, seen(probe));
});

test('nobody reads anything without being the node proxy of its node', { skip }, async () => {
  await one.cluster.runPod(one.cluster.shop, 'thief', '10.1.0.3', { account: 'thief' });
  const refusals: readonly (readonly [string, string, string, number])[] = [
    ['no token', '', one.replicas.node, 16],
    ['another audience', await one.cluster.token(one.cluster.system, 'ztunnel', 'ztunnel-1'), one.replicas.node, 16],
    [
      'bound to no pod',
      await one.cluster.token(one.cluster.system, 'ztunnel', undefined, 'istio-ca'),
      one.replicas.node,
      7,
    ],
    ['another node', one.replicas.token, 'node-of-somebody', 7],
    ['another account', await one.cluster.token(one.cluster.shop, 'thief', 'thief', 'istio-ca'), one.replicas.node, 7],
  ];
  for (const [name, bearer, nodeName, code] of refusals) {
    using probe = (await connect(one.replica, bearer, nodeName)).subscribe();
    await until(
      () => probe.error !== undefined,
      () => name,
    );
    assert.equal(probe.error?.code, code, `${name}: ${probe.error?.details}`);
    assert.deepEqual(probe.responses, []);
  }
});

test('a client that comes to another replica gets only what has changed meanwhile', { skip }, async () => {
  await one.cluster.runPod(one.cluster.shop, 'stays', '10.1.0.4');
  await one.cluster.runPod(one.cluster.shop, 'goes', '10.1.0.5');
  await using first = one.replicas.start('replica-1');
  await using second = one.replicas.start('replica-2');
  using before_ = (await connect(first)).subscribe();
  await until(() => before_.address('/stays') !== undefined && before_.address('/goes') !== undefined, seen(before_));
  const held = before_.versions();
  assert.equal(await first.stop(), 0);
  await until(() => before_.error !== undefined);
  await one.cluster.delete(apiKinds.Pod, one.cluster.shop, 'goes');
  await one.cluster.runPod(one.cluster.shop, 'comes', '10.1.0.6');
  using after_ = (await connect(second)).subscribe(held);
  await until(() => after_.address('/comes') !== undefined && after_.removalOf('/goes') >= 0, seen(after_));
  assert.deepEqual(
    seen(after_)().filter((name) => name.includes(`/${one.cluster.shop}/`) && !name.endsWith('/comes')),
    [],
  );
});

test('while the API server is away clients keep everything, and then get what changed', { skip }, async () => {
  await one.cluster.runPod(one.cluster.shop, 'here', '10.1.0.7');
  using probe = (await connect()).subscribe();
  await until(() => probe.address('/here') !== undefined, seen(probe));
  await using away = new AsyncDisposableStack();
  away.defer(() => one.replicas.relay.open());
  await one.replicas.relay.close();
  await one.cluster.runPod(one.cluster.shop, 'meanwhile', '10.1.0.8');
  await until(() => one.replica.lines.some((line) => line.includes('kind not up to date') && line.includes('"Pod"')));
  const { httpPort, metricsPort } = await until(() => one.replica.ports());
  assert.equal((await fetch(`http://127.0.0.1:${httpPort}/ready`)).status, 200);
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  assert.match(await metrics(), /ambit_source_up\{kind="Pod"\} 0/);
  assert.deepEqual([probe.removalOf('/here'), probe.address('/meanwhile')], [-1, undefined]);
  await away.disposeAsync();
  await until(() => probe.address('/meanwhile') !== undefined, seen(probe));
  assert.equal(probe.removalOf('/here'), -1);
  await until(async () => /ambit_source_up\{kind="Pod"\} 1/.test(await metrics()));
});

test('a kind whose CRD is installed later is followed then', { skip }, async () => {
  const definition = { kind: rawKinds.CustomResourceDefinition, name: 'workloadentries.networking.istio.io' };
  await one.cluster.client.delete(definition);
  await until(async () => {
    const served = await one.cluster.client.getPath('/apis/networking.istio.io/v1');
    return !JSON.stringify(served ?? '').includes('"workloadentries"');
  });
  await using late = one.replicas.start('replica-3');
  using probe = (await connect(late)).subscribe();
  await until(
    () => probe.isReady,
    () => late.lines,
  );
  await one.cluster.installDefinition('workloadentries', 'networking.istio.io');
  await one.cluster.apply(apiKinds.WorkloadEntry, one.cluster.shop, 'vm', { spec: { address: '10.1.0.9' } });
  await until(
    () => probe.address('/vm') !== undefined,
    () => late.lines.slice(-5),
  );
});

test('the leader writes conditions and addresses, and leaves those of others alone', { skip }, async () => {
  const others = { type: 'example.com/Checked', status: 'True', reason: 'Fine', message: '' };
  // Somebody whom the policy selects; a third condition would say that it selects nobody.
  await one.cluster.runPod(one.cluster.shop, 'told', '10.1.0.77');
  await one.cluster.apply(apiKinds.AuthorizationPolicy, one.cluster.shop, 'told', {
    ...deny('told'),
    status: { conditions: [others] },
  });
  await one.cluster.apply(apiKinds.ServiceEntry, one.cluster.shop, 'outside', {
    spec: { hosts: ['a.example'], resolution: 'DNS', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] },
  });
  const policy = one.cluster.ref(apiKinds.AuthorizationPolicy, one.cluster.shop, 'told');
  const conditions = await until(
    async () => {
      const found = at(await one.cluster.client.get(policy), 'status', 'conditions');
      return Array.isArray(found) && found.length === 2 && found;
    },
    () => one.replica.lines.slice(-5),
  );
  assert.deepEqual(
    conditions.map((condition) => [at(condition, 'type'), at(condition, 'status')]),
    [
      ['example.com/Checked', 'True'],
      ['ZtunnelAccepted', 'True'],
    ],
  );
  const entry = one.cluster.ref(apiKinds.ServiceEntry, one.cluster.shop, 'outside');
  const addresses = await until(
    async () => {
      const found = at(await one.cluster.client.get(entry), 'status', 'addresses');
      return Array.isArray(found) && found;
    },
    () => one.replica.lines.slice(-5),
  );
  assert.equal(addresses.length, 2);
  using probe = (await connect()).subscribe();
  await until(() => {
    const { type } = probe.address('/a.example') ?? {};
    return type?.case === 'service' && type.value.addresses.length === 2;
  }, seen(probe));
  const lease = await one.cluster.client.get(
    one.cluster.ref(rawKinds.Lease, one.cluster.system, 'ambit-control-plane'),
  );
  assert.equal(at(lease, 'spec', 'holderIdentity'), 'replica-0');
});

test('when the leader stops the next replica leads and repairs what was overwritten', { skip }, async () => {
  await one.cluster.apply(apiKinds.AuthorizationPolicy, one.cluster.shop, 'again', deny('again'));
  const ref = one.cluster.ref(apiKinds.AuthorizationPolicy, one.cluster.shop, 'again');
  const types = async (): Promise<unknown[]> => {
    const found = at(await one.cluster.client.get(ref), 'status', 'conditions');
    return Array.isArray(found) ? found.map((condition) => at(condition, 'type')) : [];
  };
  await until(async () => (await types()).includes('ZtunnelAccepted'));
  await using next = one.replicas.start('replica-4');
  await until(
    () => next.ports(),
    () => next.lines,
  );
  assert.equal(await one.replica.stop(), 0);
  await until(
    () => next.lines.some((line) => line.includes('"leading"')),
    () => next.lines.slice(-5),
  );
  await one.cluster.client.patch(ref, { status: { conditions: [] } }, { subresource: 'status' });
  await until(
    async () => (await types()).includes('ZtunnelAccepted'),
    () => next.lines.slice(-5),
  );
});
