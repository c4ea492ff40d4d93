import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { security, workload as api } from '@ambit/api';
import { EventLoop } from '@ambit/net';
import { PolicyStore } from '@ambit/policy';
import { type AddressBatch, WorkloadArena, WorkloadStore } from '@ambit/workload';
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

function manyWorkloads(count: number): AddressBatch {
  const arena = new WorkloadArena();
  for (let i = 0; i < count; i++) arena.upsert(workload(i));
  const batch = arena.takeBatch();
  if (batch === undefined) throw new Error('no batch');
  return batch;
}

const policy = toBinary(
  security.AuthorizationSchema,
  create(security.AuthorizationSchema, { name: 'p', namespace: 'shop' }),
);

function runUntil(loop: EventLoop, isDone: () => boolean): number {
  let turns = 0;
  for (; !isDone() && turns < 100_000; turns++) loop.runOnce(0);
  return turns;
}

test('a large batch is spread over turns of the loop, a small one is applied at once', () => {
  const { loop, store, queue } = rig();
  queue.push({ kind: 'addresses', batch: manyWorkloads(10) });
  assert.equal(store.workloadCount, 10);
  queue.push({ kind: 'addresses', batch: manyWorkloads(20_000) });
  assert.equal(store.workloadCount, 10);
  const turns = runUntil(loop, () => store.workloadCount === 20_000);
  assert.ok(turns > 20, `${turns} turns`);
  loop[Symbol.dispose]();
});

test('a new policy is in force ahead of addresses that wait', () => {
  const { loop, queue, heard } = rig();
  queue.push({ kind: 'addresses', batch: manyWorkloads(5000) });
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: policy }] });
  assert.deepEqual(heard, ['policies 1 after 0 workloads']);
  loop[Symbol.dispose]();
});

test('a removed policy stays until the addresses before it are applied', () => {
  const { loop, policies, queue, heard } = rig();
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: policy }] });
  queue.push({ kind: 'addresses', batch: manyWorkloads(5000) });
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: undefined }] });
  assert.equal(policies.size, 1);
  runUntil(loop, () => policies.size === 0);
  assert.equal(heard.at(-1), 'policies 0 after 5000 workloads');
  loop[Symbol.dispose]();
});

test('a policy that comes back is not taken away by the removal that waits', () => {
  const { loop, store, policies, queue } = rig();
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: policy }] });
  queue.push({ kind: 'addresses', batch: manyWorkloads(1000) });
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: undefined }] });
  queue.push({ kind: 'policies', changes: [{ name: 'shop/p', value: policy }] });
  queue.push({ kind: 'demanded', name: 'end' });
  runUntil(loop, () => store.workloadCount === 1000);
  for (let i = 0; i < 10; i++) loop.runOnce(0);
  assert.equal(policies.size, 1);
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
