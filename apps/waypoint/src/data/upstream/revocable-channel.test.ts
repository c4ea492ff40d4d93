import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteChannel, type ByteChannelUser, NetError } from '@ambit/net';
import { RevocableChannels } from './revocable-channel.ts';

/** A channel in the hands of a test. */
class FakeChannel implements ByteChannel {
  readonly calls: string[] = [];
  readonly queuedBytes = 7;
  user: ByteChannelUser | undefined;

  attach(user: ByteChannelUser): void {
    this.user = user;
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    this.calls.push(`write ${Buffer.from(buffer.subarray(offset, offset + length)).toString()}`);
    return false;
  }

  flush(): void {
    this.calls.push('flush');
  }

  end(): void {
    this.calls.push('end');
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  close(): void {
    this.calls.push('close');
  }
}

function open(isRevoked: () => boolean = () => false) {
  const channels = new RevocableChannels();
  const inner = new FakeChannel();
  const channel = channels.watch(inner, isRevoked);
  const told: string[] = [];
  const user: ByteChannelUser = {
    onBytes: (buffer, offset, length) => told.push(Buffer.from(buffer.subarray(offset, offset + length)).toString()),
    onEnd: () => told.push('end'),
    onWritable: () => told.push('writable'),
    onLost: ({ message }) => told.push(message),
  };
  return { channels, inner, channel, user, told, count: () => [...channels].length };
}

test('everything passes through', () => {
  const { inner, channel, user, told } = open();
  channel.attach(user);
  const bytes = Buffer.from('-text-');
  assert.equal(channel.write(bytes, 1, 4), false);
  channel.flush();
  channel.pause();
  channel.resume();
  inner.user?.onBytes(bytes, 1, 4);
  inner.user?.onWritable();
  assert.equal(channel.queuedBytes, 7);
  assert.deepEqual(inner.calls, ['write text', 'flush', 'pause', 'resume']);
  assert.deepEqual(told, ['text', 'writable']);
});

for (const [how, finish] of [
  ['closed', ({ channel }: ReturnType<typeof open>) => channel.close()],
  ['lost', ({ inner }: ReturnType<typeof open>) => inner.user?.onLost(new NetError('CHANNEL_LOST', 'gone'))],
  [
    'ended by both, the peer last',
    ({ channel, inner }: ReturnType<typeof open>) => (channel.end(), inner.user?.onEnd()),
  ],
  [
    'ended by both, the peer first',
    ({ channel, inner }: ReturnType<typeof open>) => (inner.user?.onEnd(), channel.end()),
  ],
] as const)
  test(`a channel that is ${how} is not watched any more`, () => {
    const scene = open(() => assert.fail('nothing is there to be asked of'));
    scene.channel.attach(scene.user);
    const listed = [...scene.channels];
    assert.equal(listed.length, 1);
    finish(scene);
    assert.equal(scene.count(), 0);
    assert.equal(listed[0]?.connection.closeIfRevoked(), false);
  });

test('a revoked one is closed, and its user told once, also one who comes later', () => {
  for (const isAttached of [true, false]) {
    const { channels, inner, channel, user, told, count } = open(() => true);
    if (isAttached) channel.attach(user);
    for (const { reporter, connection } of channels) {
      assert.equal(reporter, 'source');
      assert.equal(connection.closeIfRevoked(), true);
    }
    if (!isAttached) channel.attach(user);
    assert.deepEqual(told, ["the backend's certificate is revoked"]);
    assert.deepEqual(inner.calls, ['close']);
    assert.equal(count(), 0);
  }
});

test('one that is not revoked goes on', () => {
  const { channels, inner, channel, user, count } = open();
  channel.attach(user);
  for (const { connection } of channels) assert.equal(connection.closeIfRevoked(), false);
  assert.deepEqual([inner.calls, count()], [[], 1]);
});
