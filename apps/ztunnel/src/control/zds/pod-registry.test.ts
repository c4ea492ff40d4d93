import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '@ambit/runtime';
import type { Netns } from './pod-registry.ts';
import { PodRegistry } from './pod-registry.ts';
import type { PodInfo } from './zds-message.ts';
import { decodeRequest, encodeAck, encodeHello } from './zds-message.ts';

const info: PodInfo = { name: 'web', namespace: 'shop', serviceAccount: 'web' };

interface Rig {
  readonly registry: PodRegistry;
  readonly clock: ManualClock;
  readonly steps: string[];
  readonly failing: Set<string>;
  netns(id: string): Netns;
}

function rig(): Rig {
  const steps: string[] = [];
  const failing = new Set<string>();
  const clock = new ManualClock();
  const host = {
    start: (uid: string): Promise<void> => {
      steps.push(`start ${uid}`);
      return failing.has(uid) ? Promise.reject(new Error('port taken')) : Promise.resolve();
    },
    stop: (uid: string): void => void steps.push(`stop ${uid}`),
  };
  const registry = new PodRegistry(
    host,
    { onCounts: () => {}, onStarted: () => {}, onStopped: () => {}, onStartFailed: () => {} },
    clock,
  );
  let fd = 100;
  return {
    registry,
    clock,
    steps,
    failing,
    netns: (id) => ({ fd: (fd += 1), id, close: () => void steps.push(`close ${id}`) }),
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('PodRegistry', () => {
  test('a pod added twice with the same namespace is started once', async () => {
    const r = rig();
    const session = r.registry.session();
    assert.equal(await session.add('a', info, r.netns('n1')), '');
    assert.equal(await session.add('a', info, r.netns('n1')), '');
    assert.deepEqual(r.steps, ['start a', 'close n1']);
  });

  test('a pod with a new namespace replaces the old proxy at once', async () => {
    const r = rig();
    const session = r.registry.session();
    await session.add('a', info, r.netns('n1'));
    await session.add('a', info, r.netns('n2'));
    assert.deepEqual(r.steps, ['start a', 'stop a', 'close n1', 'start a']);
  });

  test('the snapshot stops what it did not name, keeps what it kept', async () => {
    const r = rig();
    const first = r.registry.session();
    await first.add('a', info, r.netns('n1'));
    await first.add('b', info, r.netns('n2'));
    first.snapshotSent();
    const second = r.registry.session();
    assert.ok(second.keep('a'));
    assert.deepEqual(
      r.registry.list().map((pod) => pod.uid),
      ['a', 'b'],
    );
    assert.ok(second.snapshotSent());
    assert.deepEqual(
      r.registry.list().map((pod) => pod.uid),
      ['a'],
    );
  });

  test('a delete before the snapshot takes the name out of it, later it stops the pod, unknown names are fine', async () => {
    const r = rig();
    const session = r.registry.session();
    await session.add('a', info, r.netns('n1'));
    session.del('a');
    assert.equal(r.registry.list().length, 1);
    session.snapshotSent();
    assert.equal(r.registry.list().length, 0);
    session.del('nobody');
  });

  test('keep and a second snapshot mark are out of place after the snapshot', () => {
    const session = rig().registry.session();
    assert.ok(session.snapshotSent());
    assert.equal(session.keep('a'), false);
    assert.equal(session.snapshotSent(), false);
  });

  test('a pod that cannot be started is pending and retried every five seconds', async () => {
    const r = rig();
    r.failing.add('a');
    const session = r.registry.session();
    assert.match(await session.add('a', info, r.netns('n1')), /^failure to start proxy: port taken/);
    assert.equal(r.registry.pendingCount, 1);
    r.clock.advance(5_000);
    await settled();
    assert.equal(r.registry.pendingCount, 1);
    r.failing.clear();
    r.clock.advance(5_000);
    await settled();
    assert.equal(r.registry.pendingCount, 0);
    assert.equal(r.steps.filter((step) => step === 'start a').length, 3);
  });
});

describe('ZDS packets', () => {
  test('hello and a success ack are the bytes of the contract', () => {
    assert.equal(Buffer.from(encodeHello()).toString('hex'), '0801');
    assert.equal(Buffer.from(encodeAck('')).toString('hex'), '0a00');
  });

  test('the snapshot mark, keep and delete are read from their own field numbers', () => {
    assert.deepEqual(decodeRequest(Buffer.from('1a00', 'hex'), 0), {
      kind: 'request',
      request: { kind: 'snapshot-sent' },
    });
    assert.deepEqual(decodeRequest(Buffer.from('2a030a0161', 'hex'), 0), {
      kind: 'request',
      request: { kind: 'keep', uid: 'a' },
    });
    assert.deepEqual(decodeRequest(Buffer.from('1203120161', 'hex'), 0), {
      kind: 'request',
      request: { kind: 'del', uid: 'a' },
    });
  });

  test('an add takes exactly one descriptor and workload info', () => {
    const add = Buffer.from('0a0e0a0175120912017012026e731a00', 'hex');
    assert.equal(decodeRequest(add, 1).kind, 'request');
    assert.equal(decodeRequest(add, 0).kind, 'violation');
    assert.equal(decodeRequest(add, 2).kind, 'violation');
    assert.equal(decodeRequest(Buffer.from('0a030a0175', 'hex'), 1).kind, 'violation');
  });

  test('descriptors elsewhere, empty and broken messages are violations', () => {
    assert.equal(decodeRequest(Buffer.from('1a00', 'hex'), 1).kind, 'violation');
    assert.equal(decodeRequest(Buffer.alloc(0), 0).kind, 'violation');
    assert.equal(decodeRequest(Buffer.from('0aff', 'hex'), 0).kind, 'violation');
  });

  test('an ack never exceeds what the agent reads', () => {
    assert.ok(encodeAck('x'.repeat(5_000)).length <= 1_024);
  });
});
