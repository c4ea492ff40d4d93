import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zds } from '@ambit/api';
import { ManualClock } from '@ambit/runtime';
import { create, toBinary } from '@bufbuild/protobuf';
import type { PacketChannel, PacketChannelHandler } from './packet-channel.ts';
import { encodeAdd, encodeDel, encodeKeep, encodeSnapshotSent } from './zds-messages.ts';
import { ZdsRegistry, type SnapshotPod } from './zds-registry.ts';

const HELLO = Uint8Array.of(0x08, 0x01);
const ACK = Uint8Array.of(0x0a, 0x00);
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const pod = (uid: string, netnsFd?: number): SnapshotPod => ({
  workload: { uid, name: `n-${uid}`, namespace: 'ns', serviceAccount: 'sa' },
  netnsFd,
});
const refusal = (error: string): Uint8Array =>
  toBinary(
    zds.WorkloadResponseSchema,
    create(zds.WorkloadResponseSchema, { payload: { case: 'ack', value: create(zds.AckSchema, { error }) } }),
  );

class FakeChannel implements PacketChannel {
  readonly sent: { readonly packet: string; readonly fd: number | undefined }[] = [];
  closedFor: string | undefined;
  handler: PacketChannelHandler | undefined;
  send(packet: Uint8Array, fd?: number): void {
    this.sent.push({ packet: hex(packet), fd });
  }
  close(reason: string): void {
    this.closedFor ??= reason;
    this.handler?.onClosed(reason);
  }
  says(packet: Uint8Array): void {
    this.handler?.onPacket(packet);
  }
}

function node(snapshot: readonly SnapshotPod[] = []): {
  registry: ZdsRegistry;
  clock: ManualClock;
  events: string[];
  connect: () => FakeChannel;
} {
  const clock = new ManualClock();
  const events: string[] = [];
  const registry = new ZdsRegistry(
    {
      snapshot: () => snapshot,
      onConnected: (count) => events.push(`connected ${count}`),
      onSynced: () => events.push('synced'),
      onSnapshotRefusal: (error) => events.push(error.message),
      onDisconnected: (count, reason) => events.push(`disconnected ${count}: ${reason}`),
    },
    clock,
  );
  const connect = (): FakeChannel => {
    const channel = new FakeChannel();
    channel.handler = registry.accept(channel);
    return channel;
  };
  return { registry, clock, events, connect };
}

test('messages have the bytes of the contract', () => {
  assert.equal(hex(encodeSnapshotSent()), '1a00');
  assert.equal(hex(encodeDel('u1')), '120412027531');
  assert.equal(hex(encodeKeep('u1')), '2a040a027531');
  assert.equal(
    hex(encodeAdd({ uid: 'u1', name: 'n', namespace: 's', serviceAccount: 'a' })),
    '0a0f0a02753112090a016e1201731a0161',
  );
});

test('after the hello the snapshot is sent one pod at a time, then marked as complete', () => {
  const { connect, events } = node([pod('a', 7), pod('b')]);
  const ztunnel = connect();
  assert.equal(ztunnel.sent.length, 0);
  ztunnel.says(HELLO);
  assert.deepEqual(
    ztunnel.sent.map(({ fd }) => fd),
    [7],
  );
  ztunnel.says(ACK);
  assert.deepEqual(
    ztunnel.sent.map(({ fd }) => fd),
    [7, undefined],
  );
  assert.equal(ztunnel.sent[1]?.packet, hex(encodeKeep('b')));
  ztunnel.says(ACK);
  assert.equal(ztunnel.sent[2]?.packet, '1a00');
  assert.deepEqual(events, ['connected 1']);
  ztunnel.says(ACK);
  assert.deepEqual(events, ['connected 1', 'synced']);
});

test('a pod refused in the snapshot is reported and the rest goes on', () => {
  const { connect, events } = node([pod('a', 7)]);
  const ztunnel = connect();
  ztunnel.says(HELLO);
  ztunnel.says(refusal('failure to start proxy'));
  ztunnel.says(ACK);
  assert.deepEqual(events, ['connected 1', 'ztunnel refused: failure to start proxy', 'synced']);
});

test('an addition waits its turn behind the snapshot and settles with its own answer', async () => {
  const { registry, connect } = node([pod('a', 7)]);
  const ztunnel = connect();
  ztunnel.says(HELLO);
  const first = registry.add(pod('b').workload, 8);
  const second = registry.add(pod('c').workload, 9);
  assert.equal(ztunnel.sent.length, 1);
  for (const answer of [ACK, ACK, refusal('no'), ACK]) ztunnel.says(answer);
  await assert.rejects(first, { code: 'ZDS_REFUSED', message: 'ztunnel refused: no' });
  await second;
  assert.deepEqual(
    ztunnel.sent.map(({ fd }) => fd),
    [7, undefined, 8, 9],
  );
});

test('additions go to the newest proxy, removals to all', async () => {
  const { registry, connect } = node();
  const [old, young, silent] = [connect(), connect(), connect()];
  for (const ztunnel of [old, young]) {
    ztunnel.says(HELLO);
    ztunnel.says(ACK);
  }
  const added = registry.add(pod('a').workload, 5);
  const removed = registry.del('a');
  young.says(ACK);
  young.says(ACK);
  old.says(ACK);
  await Promise.all([added, removed]);
  assert.equal(old.sent.length, 2);
  assert.equal(young.sent.length, 3);
  assert.equal(silent.sent.length, 0);
});

test('without a proxy an addition fails and a removal is nothing', async () => {
  const { registry } = node();
  await assert.rejects(registry.add(pod('a').workload, 5), {
    code: 'ZDS_NO_ZTUNNEL',
    message: 'no ztunnel connection',
  });
  await registry.del('a');
});

test('a proxy without a hello is closed after five seconds', () => {
  const { connect, clock, events } = node();
  const ztunnel = connect();
  clock.advance(4_999);
  assert.equal(ztunnel.closedFor, undefined);
  clock.advance(1);
  assert.match(ztunnel.closedFor ?? '', /said no hello/);
  assert.match(events[1] ?? '', /disconnected 0/);
});

test("a late answer closes the connection, so that it cannot be taken for the next one's", async () => {
  const { registry, connect, clock } = node();
  const ztunnel = connect();
  ztunnel.says(HELLO);
  ztunnel.says(ACK);
  const late = registry.add(pod('a').workload, 5);
  const behind = registry.add(pod('b').workload, 6);
  clock.advance(5_000);
  await assert.rejects(late, { code: 'ZDS_TIMEOUT' });
  await assert.rejects(behind, { code: 'ZDS_CLOSED' });
  assert.equal(ztunnel.sent.length, 2);
  assert.equal(clock.pendingTimers, 0);
});

for (const [what, packets] of [
  ['another version', [Uint8Array.of(0x08, 0x02)]],
  ['garbage instead of the hello', [Uint8Array.of(0xff, 0xff, 0xff)]],
  ['a packet that nobody asked for', [HELLO, ACK, ACK]],
  ['an answer without acknowledgement', [HELLO, Uint8Array.of(0x12, 0x00)]],
] as const) {
  test(`${what} ends the connection`, () => {
    const { connect, registry } = node();
    const ztunnel = connect();
    for (const packet of packets) ztunnel.says(packet);
    assert.notEqual(ztunnel.closedFor, undefined);
    assert.equal(registry.connected, 0);
  });
}

test('the queue is bounded', async () => {
  const { registry, connect } = node();
  const ztunnel = connect();
  ztunnel.says(HELLO);
  const waiting = Array.from({ length: 100 }, (_, index) => registry.add(pod(String(index)).workload, 5));
  await assert.rejects(registry.add(pod('x').workload, 5), { code: 'ZDS_QUEUE_FULL' });
  ztunnel.close('done');
  for (const result of await Promise.allSettled(waiting)) assert.equal(result.status, 'rejected');
});
