import assert from 'node:assert/strict';
import { test } from 'node:test';
import { security, workload } from '@ambit/api';
import { changeCount, WorkloadStore } from '@ambit/workload';
import type { ReceivedResource } from '@ambit/xds';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { ToWorker } from '../worker-protocol.ts';
import { MeshState } from './mesh-state.ts';

function pod(name: string, ip: number, more: MessageInitShape<typeof workload.WorkloadSchema> = {}): ReceivedResource {
  const value = { uid: `k//Pod/ns/${name}`, name, namespace: 'ns', addresses: [Uint8Array.of(10, 0, 0, ip)], ...more };
  const address = create(workload.AddressSchema, { type: { case: 'workload', value } });
  return { name: value.uid, version: 'v', value: toBinary(workload.AddressSchema, address), aliases: [] };
}

function policy(name: string, more: MessageInitShape<typeof security.AuthorizationSchema> = {}): ReceivedResource {
  const message = create(security.AuthorizationSchema, { name, namespace: 'ns', ...more });
  return { name: `ns/${name}`, version: '', value: toBinary(security.AuthorizationSchema, message), aliases: [] };
}

/** A worker's view: what it would hold after every message so far. */
class Follower {
  readonly store = new WorkloadStore({});
  readonly policies = new Map<string, Uint8Array>();
  readonly messages: string[] = [];

  take(message: ToWorker): void {
    this.messages.push(message.kind);
    if (message.kind === 'addresses') this.store.apply(message.batch, 0, changeCount(message.batch));
    if (message.kind !== 'policies') return;
    for (const { name, value } of message.changes) {
      if (value === undefined) this.policies.delete(name);
      else this.policies.set(name, value);
    }
  }
}

function rig(): { readonly state: MeshState; readonly follower: Follower } {
  const follower = new Follower();
  return { follower, state: new MeshState({ localNode: 'n', publish: (message) => follower.take(message) }) };
}

test('what is taken reaches the workers, what is removed leaves them', () => {
  const { state, follower } = rig();
  const addresses = state.addressHandler('wildcard');
  addresses.update([pod('a', 1), pod('b', 2)]);
  assert.equal(follower.store.workloadByAddress('', '10.0.0.2')?.name, 'b');
  addresses.remove(['k//Pod/ns/a', 'never-known']);
  assert.equal(follower.store.workloadByAddress('', '10.0.0.1'), undefined);
  assert.equal(state.store.workloadCount, 1);
});

test('a bad resource is rejected with its reason and the others are in force', () => {
  const { state, follower } = rig();
  const bad = pod('bad', 3, { addresses: [Uint8Array.of(1, 2, 3)] });
  const rejections = state.addressHandler('wildcard').update([pod('a', 1), bad, pod('c', 2)]);
  assert.deepEqual(
    rejections.map(({ name }) => name),
    ['k//Pod/ns/bad'],
  );
  assert.ok((rejections[0]?.reason ?? '').length > 0);
  assert.equal(follower.store.workloadCount, 2);
});

test('the same bytes again are not passed on', () => {
  const { state, follower } = rig();
  const addresses = state.addressHandler('wildcard');
  addresses.update([pod('a', 1)]);
  addresses.update([pod('a', 1)]);
  assert.deepEqual(follower.messages, ['addresses']);
});

test('policies are checked, passed on as bytes that outlive the message, and removed silently when unknown', () => {
  const { state, follower } = rig();
  const policies = state.policyHandler();
  const good = policy('p');
  // Field 4, action: a number that no enum has.
  const bad = { ...policy('q'), value: Uint8Array.from([...policy('q').value, 0x20, 77]) };
  const rejections = policies.update([good, bad]);
  assert.deepEqual(
    rejections.map(({ name }) => name),
    ['ns/q'],
  );
  good.value.fill(0);
  assert.equal([...state.policies()][0]?.name, 'p');
  assert.notEqual(follower.policies.get('ns/p')?.[0], 0);
  policies.remove(['ns/unknown']);
  policies.remove(['ns/p']);
  assert.equal(follower.policies.size, 0);
  assert.deepEqual(follower.messages, ['policies', 'policies']);
});

test('a worker that starts late is told policies before addresses and ends with the same state', () => {
  const { state } = rig();
  state.policyHandler().update([policy('p')]);
  state.addressHandler('wildcard').update([pod('a', 1), pod('b', 2)]);
  const late = new Follower();
  for (const message of state.snapshot()) late.take(message);
  assert.deepEqual(late.messages, ['policies', 'addresses']);
  assert.deepEqual([late.policies.size, late.store.workloadCount], [1, 2]);
});
