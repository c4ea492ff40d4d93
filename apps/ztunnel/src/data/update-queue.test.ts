import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { security, workload as api } from '@ambit/api';
import { EventLoop } from '@ambit/net';
import { PolicyStore } from '@ambit/policy';
import { WorkloadArena, WorkloadStore } from '@ambit/workload';
import { UpdateQueue } from './update-queue.ts';

function workload(i: number, policies: string[] = []): Uint8Array {
  const value = create(api.WorkloadSchema, {
    uid: `uid-${i}`,
    name: `pod-${i}`,
    namespace: 'shop',
    authorizationPolicies: policies,
    addresses: [Uint8Array.of(10, i >> 16, (i >> 8) & 255, i & 255)],
  });
  return toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'workload', value } }));
}

interface Rig {
  readonly loop: EventLoop;
  readonly store: WorkloadStore;
  readonly policies: PolicyStore;
  readonly queue: UpdateQueue;
  readonly heard: string[];
}

function rig(): Rig {
  const loop = new EventLoop();
  const store = new WorkloadStore();
  const policies = new PolicyStore();
  const heard: string[] = [];
  const queue = new UpdateQueue(loop, store, policies, {
    onAddressesChanged: () => heard.push(`addresses ${store.workloadCount > 0}`),
    onPoliciesChanged: () => heard.push(`policies ${policies.size} after ${store.workloadCount} workloads`),
    onDemanded: (name) => heard.push(`demanded ${name} after ${store.workloadCount} workloads`),
    onBadPolicy: (name) => heard.push(`bad ${name}`),
  });
  return { loop, store, policies, queue, heard };
}

test('a large batch is spread over turns of the loop and a policy behind it does not overtake', () => {
  const { loop, store, policies, queue, heard } = rig();
  const arena = new WorkloadArena();
  for (let i = 0; i < 20_000; i++) arena.upsert(workload(i));
  const batch = arena.takeBatch();
  assert.ok(batch);
  queue.push({ kind: 'addresses', batch });
  const value = toBinary(
    security.AuthorizationSchema,
    create(security.AuthorizationSchema, { name: 'p', namespace: 'shop' }),
  );
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value }] });
  assert.ok(store.workloadCount < 20_000, 'not in one go');
  let turns = 0;
  while (policies.size === 0 && turns < 100_000) {
    loop.runOnce(0);
    turns++;
  }
  assert.ok(turns > 2, `${turns} turns`);
  assert.equal(store.workloadCount, 20_000);
  assert.ok(heard.includes('policies 1 after 20000 workloads'), heard.slice(-3).join());
  loop[Symbol.dispose]();
});

test('a policy that does not decode is reported and changes nothing', () => {
  const { loop, policies, queue, heard } = rig();
  queue.push({ kind: 'policies', changes: [{ name: 'shop/bad', value: Uint8Array.of(0xff) }] });
  assert.equal(policies.size, 0);
  assert.ok(heard.includes('bad shop/bad'));
  loop[Symbol.dispose]();
});

test('a removed policy is gone', () => {
  const { loop, policies, queue } = rig();
  const value = toBinary(
    security.AuthorizationSchema,
    create(security.AuthorizationSchema, { name: 'p', namespace: 'shop' }),
  );
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value }] });
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: undefined }] });
  assert.equal(policies.size, 0);
  loop[Symbol.dispose]();
});

test('the answer to a demand comes behind the addresses that came before it', () => {
  const { loop, queue, heard } = rig();
  const arena = new WorkloadArena();
  for (let i = 0; i < 5000; i++) arena.upsert(workload(i));
  const batch = arena.takeBatch();
  assert.ok(batch);
  queue.push({ kind: 'addresses', batch });
  queue.push({ kind: 'demanded', name: '/10.0.0.1' });
  for (let turns = 0; turns < 100_000 && !heard.some((line) => line.startsWith('demanded')); turns++) loop.runOnce(0);
  assert.ok(heard.includes('demanded /10.0.0.1 after 5000 workloads'), heard.slice(-2).join());
  loop[Symbol.dispose]();
});
