import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import fc from 'fast-check';
import { type AddressBatch, changeCount } from './address-batch.ts';
import { encodeService, encodeWorkload, inServices, ip, mesh, pod, service } from './mesh.fixture.ts';
import { WorkloadArena } from './workload-arena.ts';
import { WorkloadStore } from './workload-store.ts';
import { findAddress, findHostname } from './workload-view.ts';

function follow(store: WorkloadStore, batch: AddressBatch | undefined, slice = 3): void {
  if (batch === undefined) return;
  // Through a structured clone, as a message to another thread goes.
  const received = structuredClone(batch);
  for (let at = 0; at < changeCount(received);) at = store.apply(received, at, slice);
}

const addresses = ['10.0.0.1', '10.0.0.2', 'fd00::1', '10.9.0.1', '10.9.1.1'] as const;
const hosts = ['a', 'b', '*.c'] as const;
const namespaces = ['x', 'y'] as const;
const key = fc.constantFrom(...namespaces.flatMap((ns) => hosts.map((host) => `${ns}/${host}`)));
const workloadArbitrary = fc.record({
  id: fc.constantFrom('c//Pod/x/p', 'c/other/q', 'c//Pod/x/r', 'e'),
  ips: fc.uniqueArray(fc.constantFrom(...addresses), { maxLength: 2 }),
  network: fc.constantFrom('', 'remote'),
  hbone: fc.boolean(),
  healthy: fc.boolean(),
  hostNetwork: fc.boolean(),
  node: fc.constantFrom('node1', 'node2'),
  hostname: fc.constantFrom('', 'external'),
  services: fc.uniqueArray(key, { maxLength: 3 }),
});
const serviceArbitrary = fc.record({
  key,
  vips: fc.uniqueArray(fc.constantFrom(...addresses), { maxLength: 2 }),
  cidr: fc.option(fc.constantFrom(8, 16, 24), { nil: undefined }),
  canonical: fc.boolean(),
  isPrivate: fc.boolean(),
  allowAll: fc.boolean(),
});
const command = fc.oneof(
  workloadArbitrary.map((w) => ({
    kind: 'upsert' as const,
    name: w.id,
    bytes: encodeWorkload({
      uid: w.id,
      name: 'n',
      namespace: 'x',
      network: w.network,
      node: w.node,
      hostname: w.hostname,
      addresses: w.ips.map(ip),
      tunnelProtocol: w.hbone ? 1 : 0,
      status: w.healthy ? 0 : 1,
      networkMode: w.hostNetwork ? 1 : 0,
      services: Object.fromEntries(w.services.map((k) => [k, { ports: [{ servicePort: 80, targetPort: 8080 }] }])),
    }),
  })),
  serviceArbitrary.map((s) => {
    const [namespace = '', hostname = ''] = s.key.split('/');
    return {
      kind: 'upsert' as const,
      name: s.key,
      bytes: encodeService({
        name: hostname,
        namespace,
        hostname,
        canonical: s.canonical,
        visibility: s.isPrivate ? 1 : 0,
        addresses: [
          ...s.vips.map((vip) => ({ address: ip(vip) })),
          ...(s.cidr === undefined ? [] : [{ address: ip('10.9.0.0'), length: s.cidr }]),
        ],
        loadBalancing: { healthPolicy: s.allowAll ? 1 : 0 },
        ports: [{ servicePort: 80, targetPort: 8080 }],
      }),
    };
  }),
  fc
    .oneof(key, fc.constantFrom('c//Pod/x/p', 'c/other/q', 'c//Pod/x/r', 'e', 'nothing'))
    .map((name) => ({ kind: 'remove' as const, name })),
  fc.constant({ kind: 'publish' as const }),
);

/** Everything a store answers, in a form that can be compared. */
function answers(store: WorkloadStore): unknown {
  const all = [...store.workloads()].map((w) => w.uid).sort();
  const services = [...store.services()].sort((a, b) => (a.namespace + a.hostname < b.namespace + b.hostname ? -1 : 1));
  return {
    counts: [store.workloadCount, store.serviceCount],
    all,
    staged: [...store.stagedServices()].sort(),
    byUid: all.map((uid) => store.workloadByUid(uid)),
    local: store.localWorkload('n', 'x', 'default')?.uid,
    external: store.workloadByHostname('x', 'external')?.uid,
    byAddress: addresses.flatMap((address) =>
      ['', 'remote'].flatMap((network) =>
        [undefined, 'x', 'z'].map((caller) => {
          const service = store.bestServiceByVip(network, address, caller);
          return [
            store.workloadByAddress(network, address)?.uid,
            service && `${service.namespace}/${service.hostname}`,
          ];
        }),
      ),
    ),
    byHost: hosts.map((host) =>
      [undefined, 'x', 'y', 'z'].map((caller) => store.bestServiceByHost(host, caller)?.namespace),
    ),
    endpoints: services.map((s) => {
      const uids: string[] = [];
      const cursor = store.endpointsOf(s, undefined);
      while (cursor.advance()) uids.push(cursor.workload()?.uid ?? '?');
      return [s, uids.sort(), uids.map((uid) => store.endpointPorts(s, uid))];
    }),
  };
}

test('a store that follows changes equals one built from the outcome, and so does a late follower', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const options = { localNode: 'node1', segmentBytes: 256, cachedRecords: 2 };
      const arena = new WorkloadArena(options);
      const follower = new WorkloadStore(options);
      const outcome = new Map<string, Uint8Array>();
      for (const step of commands) {
        if (step.kind === 'upsert') {
          arena.upsert(step.bytes);
          outcome.set(step.name, step.bytes);
        } else if (step.kind === 'remove') {
          assert.equal(arena.remove(step.name), outcome.delete(step.name));
        } else {
          follow(follower, arena.takeBatch());
        }
      }
      follow(follower, arena.takeBatch());
      const late = new WorkloadStore(options);
      follow(late, arena.snapshot());
      const rebuilt = new WorkloadArena(options);
      for (const bytes of [...outcome.values()].reverse()) rebuilt.upsert(bytes);
      const expected = answers(rebuilt.store);
      assert.deepEqual(answers(arena.store), expected);
      assert.deepEqual(answers(follower), expected);
      assert.deepEqual(answers(late), expected);
    }),
    { numRuns: 400, seed: 20_261_121 },
  );
});

test('a resource that comes again unchanged changes nothing', () => {
  const arena = mesh([pod('web', '10.0.0.1')]);
  assert.notEqual(arena.takeBatch(), undefined);
  assert.equal(arena.upsert(pod('web', '10.0.0.1')), false);
  assert.equal(arena.takeBatch(), undefined);
});

test('memory of replaced records comes back', () => {
  const arena = new WorkloadArena({ segmentBytes: 4096 });
  const follower = new WorkloadStore();
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 40; i++) arena.upsert(pod(`p${i}`, `10.0.0.${i}`, { canonicalRevision: `v${round}` }));
    follow(follower, arena.takeBatch(), 1000);
  }
  const { liveBytes, segmentBytes } = arena.usage;
  assert.ok(segmentBytes < liveBytes * 4 + 8 * 4096, `${segmentBytes} bytes for ${liveBytes}`);
  assert.equal(follower.workloadCount, 40);
  assert.equal(follower.workloadByAddress('', '10.0.0.7')?.canonicalRevision, 'v49');
  assert.ok(follower.segments.count < 40);
});

test('compaction keeps every record readable in stores that follow', () => {
  const arena = new WorkloadArena({ segmentBytes: 2048 });
  const follower = new WorkloadStore({ cachedRecords: 1 });
  for (let i = 0; i < 200; i++) arena.upsert(pod(`p${i}`, `10.0.${i >> 7}.${i & 127}`));
  follow(follower, arena.takeBatch());
  for (let i = 0; i < 200; i++) if (i % 10 !== 0) arena.remove(`Kubernetes//Pod/shop/p${i}`);
  follow(follower, arena.takeBatch());
  assert.equal(follower.workloadCount, 20);
  for (let i = 0; i < 200; i += 10) {
    assert.equal(follower.workloadByAddress('', `10.0.${i >> 7}.${i & 127}`)?.name, `p${i}`);
  }
  assert.ok(arena.usage.segmentBytes < (200 * 130) / 2, `${arena.usage.segmentBytes}`);
});

test('of several workloads with one address a pod wins, then one with HBONE', () => {
  const plain = encodeWorkload({ uid: 'c/entry/a', addresses: [ip('10.0.0.1')] });
  const hbone = encodeWorkload({ uid: 'c/entry/b', addresses: [ip('10.0.0.1')], tunnelProtocol: 1 });
  const podPlain = pod('web', '10.0.0.1', { tunnelProtocol: api.TunnelProtocol.NONE });
  assert.equal(mesh([plain, hbone]).store.workloadByAddress('', '10.0.0.1')?.uid, 'c/entry/b');
  assert.equal(mesh([podPlain, hbone, plain]).store.workloadByAddress('', '10.0.0.1')?.name, 'web');
});

test('a workload of the host network is not found by address', () => {
  const { store } = mesh([pod('agent', '192.168.0.1', { networkMode: api.NetworkMode.HOST_NETWORK })]);
  assert.equal(store.workloadByAddress('', '192.168.0.1'), undefined);
  assert.equal(store.localWorkload('agent', 'shop', 'agent')?.name, 'agent');
});

test('a workload of another node is not a local one', () => {
  const { store } = mesh([pod('web', '10.0.0.1')], { localNode: 'node2' });
  assert.equal(store.localWorkload('web', 'shop', 'web'), undefined);
});

test('watchers hear of local workloads that come, change and go', () => {
  const arena = new WorkloadArena({ localNode: 'node1' });
  const heard: string[] = [];
  const end = arena.store.watchLocal({
    onLocalWorkload: (w) => heard.push(`+${w.name}${w.canonicalRevision}`),
    onLocalWorkloadGone: (w) => heard.push(`-${w.name}`),
  });
  arena.upsert(pod('web', '10.0.0.1'));
  arena.upsert(pod('web', '10.0.0.1', { canonicalRevision: 'v2' }));
  arena.upsert(pod('far', '10.0.0.2', { node: 'node2' }));
  arena.remove('Kubernetes//Pod/shop/web');
  end();
  arena.upsert(pod('web', '10.0.0.1'));
  assert.deepEqual(heard, ['+web', '+webv2', '-web']);
});

test('L1 prefers the workload, and a name prefers the service', () => {
  const { store } = mesh([
    pod('web', '10.0.0.1', { hostname: 'both' }),
    service('web', '10.0.0.1'),
    encodeService({ namespace: 'shop', hostname: 'both' }),
  ]);
  assert.equal(findAddress(store, '', '10.0.0.1')?.kind, 'workload');
  assert.equal(findHostname(store, 'shop', 'both')?.kind, 'service');
  assert.equal(store.bestServiceByVip('', '10.0.0.1', 'shop')?.name, 'web');
});

test("an exact VIP goes before a CIDR, the caller's namespace before a longer prefix", () => {
  const range = (namespace: string, length: number, canonical = false) =>
    encodeService({
      name: `${namespace}${length}`,
      namespace,
      hostname: `h${length}`,
      canonical,
      addresses: [{ address: ip('10.0.0.0'), length }],
    });
  const { store } = mesh([
    range('a', 8),
    range('b', 16),
    range('c', 24),
    range('d', 24, true),
    service('exact', '10.0.0.5'),
  ]);
  assert.equal(store.bestServiceByVip('', '10.0.0.5', 'a')?.name, 'exact');
  assert.equal(store.bestServiceByVip('', '10.0.0.6', 'a')?.name, 'a8');
  assert.equal(store.bestServiceByVip('', '10.0.0.6', 'z')?.name, 'd24');
  assert.equal(store.bestServiceByVip('', '10.0.1.6', 'z')?.name, 'b16');
  assert.equal(store.bestServiceByVip('other', '10.0.0.6', 'z'), undefined);
});

test('a service visible to its own namespace only is not found by another', () => {
  const { store } = mesh([service('inner', '10.1.0.1', { visibility: api.Service_Visibility.NAMESPACE })]);
  assert.equal(store.bestServiceByVip('', '10.1.0.1', 'shop')?.name, 'inner');
  assert.equal(store.bestServiceByVip('', '10.1.0.1', 'other'), undefined);
  assert.equal(store.bestServiceByHost('inner.shop.svc.cluster.local', 'other'), undefined);
});

test('endpoints that come before their service are attached when it arrives', () => {
  const arena = mesh([pod('web', '10.0.0.1', { services: inServices('web') })]);
  assert.deepEqual([...arena.store.stagedServices()], ['shop/web.shop.svc.cluster.local']);
  arena.upsert(service('web', '10.1.0.1'));
  const found = arena.store.serviceByKey('shop/web.shop.svc.cluster.local');
  assert.ok(found);
  assert.deepEqual(arena.store.endpointPorts(found, 'Kubernetes//Pod/shop/web'), new Map([[80, 8080]]));
  assert.deepEqual([...arena.store.stagedServices()], []);
});

test('an endpoint that is not ready counts only where the service allows it', () => {
  const sick = pod('web', '10.0.0.1', { services: inServices('web', 'all'), status: 1 });
  const { store } = mesh([
    sick,
    service('web', '10.1.0.1'),
    service('all', '10.1.0.2', { loadBalancing: { healthPolicy: 1 } }),
  ]);
  const ports = (name: string) => {
    const found = store.serviceByKey(`shop/${name}.shop.svc.cluster.local`);
    return found && store.endpointPorts(found, 'Kubernetes//Pod/shop/web');
  };
  assert.equal(ports('web'), undefined);
  assert.ok(ports('all'));
});
