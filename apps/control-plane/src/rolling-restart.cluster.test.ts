/** Two replicas are replaced one after the other while the mesh changes; the client is the one of our ztunnel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload } from '@ambit/api';
import { GrpcChannel } from '@ambit/grpc';
import { apiKinds, rawKinds } from '@ambit/kube';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  DeltaClient,
  type DeltaTypeHandler,
  grpcConnector,
  ztunnelNode,
} from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';
import type { ControlPlaneProcess } from './testing/control-plane-process.ts';
import { Replicas } from './testing/replicas.ts';
import { at, until, noCluster } from './testing/test-cluster.ts';

const skip = noCluster;

const PODS = 12;

/** What a node proxy knows. */
class Proxy implements AsyncDisposable {
  /** Revision of each workload, by name of the resource. */
  readonly revisions = new Map<string, string>();
  /** Policies that workloads named while they were not known. */
  readonly unknownPolicies = new Set<string>();
  received = 0;
  streams = 0;
  readonly #policies = new Set<string>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** `serving` are the replicas that a Service would lead to. */
  constructor({ token, rootsPem, cluster, node }: Replicas, serving: readonly ControlPlaneProcess[]) {
    let next = 0;
    const client = new DeltaClient({
      connect: grpcConnector(() => {
        next += 1;
        const port = serving[next % serving.length]?.ports()?.port ?? 1;
        return new GrpcChannel({
          address: `https://127.0.0.1:${port}`,
          roots: { kind: 'inline', pem: rootsPem },
          token: { kind: 'literal', token },
          clusterId: 'Kubernetes',
        });
      }),
      node: ztunnelNode({
        instanceIp: '10.1.0.1',
        podName: 'ztunnel-1',
        podNamespace: cluster.system,
        nodeName: node,
        extraMetadata: {},
      }),
      types: [this.#addresses(), this.#authorizations()],
      observer: { onConnected: () => void (this.streams += 1) },
    });
    this.#running = client.run(this.#stop.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #addresses(): DeltaTypeHandler {
    return {
      typeUrl: ADDRESS_TYPE,
      mode: 'wildcard',
      update: (resources) => {
        this.received += resources.length;
        for (const { name, value } of resources) {
          const { type } = fromBinary(workload.AddressSchema, value);
          this.revisions.set(name, type.case === 'workload' ? type.value.canonicalRevision : '');
          const named = type.case === 'workload' ? type.value.authorizationPolicies : [];
          for (const policy of named) if (!this.#policies.has(policy)) this.unknownPolicies.add(policy);
        }
        return [];
      },
      remove: (names) => {
        for (const name of names) this.revisions.delete(name);
      },
    };
  }

  #authorizations(): DeltaTypeHandler {
    return {
      typeUrl: AUTHORIZATION_TYPE,
      mode: 'wildcard',
      update: (resources) => {
        for (const { name } of resources) this.#policies.add(name);
        return [];
      },
      remove: (names) => {
        for (const name of names) this.#policies.delete(name);
      },
    };
  }
}

test(
  'a rolling restart under constant change loses no update, sends nothing twice and no policy late',
  { skip },
  async () => {
    await using replicas = await Replicas.open();
    const { cluster } = replicas;
    const { client, shop } = cluster;
    const pod = (name: string) => cluster.ref(apiKinds.Pod, shop, name);
    const uid = (name: string): string => `Kubernetes//Pod/${shop}/${name}`;
    for (let i = 0; i < PODS; i += 1)
      await cluster.runPod(shop, `p${i}`, `10.1.1.${i}`, { labels: { app: 'p', version: 'v0' } });
    await using stack = new AsyncDisposableStack();
    const serving: ControlPlaneProcess[] = [];
    const add = async (name: string): Promise<void> => {
      const replica = stack.use(replicas.start(name));
      await until(
        () => replica.ports(),
        () => replica.lines.slice(-20),
      );
      serving.push(replica);
    };
    await Promise.all([add('a'), add('b')]);
    await using proxy = new Proxy(replicas, serving);
    await until(() => proxy.revisions.get(uid('p0')) === 'v0');
    const before = proxy.received;

    const wanted = new Map<string, string>();
    let changes = 0;
    const ending = new AbortController();
    const changing = (async () => {
      for (; !ending.signal.aborted; changes += 1) {
        const name = `p${changes % PODS}`;
        const version = `v${changes}`;
        wanted.set(uid(name), version);
        await client.patch(pod(name), { metadata: { labels: { version } } });
        if (changes % 5 !== 0) continue;
        // A pod that comes with a policy of its own, and the one before it goes.
        const app = `extra-${changes}`;
        const spec = { selector: { matchLabels: { app } }, action: 'DENY', rules: [{}] };
        await cluster.apply(apiKinds.AuthorizationPolicy, shop, app, { spec });
        await cluster.runPod(shop, app, `10.1.2.${changes % 250}`, { labels: { app, version } });
        wanted.set(uid(app), version);
        await client.delete(pod(`extra-${changes - 5}`));
        wanted.delete(uid(`extra-${changes - 5}`));
      }
    })();
    for (const [gone, come] of [
      ['a', 'c'],
      ['b', 'd'],
    ] as const) {
      await add(come);
      const [leaving] = serving.splice(0, 1);
      assert.equal(await leaving?.stop(), 0, `${gone}: ${leaving?.lines.slice(-3).join('\n')}`);
      const streams = proxy.streams;
      const made = changes;
      await until(() => changes > made + 10 && proxy.streams >= streams);
    }
    ending.abort();
    await changing;
    const missed = (): readonly string[] =>
      [...wanted].filter(([name, version]) => proxy.revisions.get(name) !== version).map(([name]) => name);
    await until(() => missed().length === 0, missed);
    // The last removal may still be on its way.
    const extra = (): readonly string[] =>
      [...proxy.revisions.keys()].filter((name) => name.includes(`/${shop}/extra`) && !wanted.has(name));
    await until(() => extra().length === 0, extra);
    assert.ok(proxy.streams >= 2, `${proxy.streams} streams`);
    assert.deepEqual([...proxy.unknownPolicies], []);
    // A pod's creation is its object, its status and its policy; a full answer would bring everything again.
    const sent = proxy.received - before;
    assert.ok(sent <= changes * 2 + 20, `${sent} resources were sent for ${changes} changes`);
    const lease = cluster.ref(rawKinds.Lease, cluster.system, 'ambit-control-plane');
    await until(async () => ['c', 'd'].includes(String(at(await client.get(lease), 'spec', 'holderIdentity'))));
  },
);
