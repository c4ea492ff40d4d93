import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { ChannelProbe } from '@ambit/testing';

import type { HboneServerConnection, HboneServerHandler, HboneSettings, InboundStream } from './index.ts';
import { clientId, dialPlan, poolKey, Rig } from './test-support/rig.ts';

/** Accepts every tunnel and makes its stream a probe. */
class Acceptor implements HboneServerHandler {
  readonly probes: ChannelProbe[] = [];
  readonly connections: HboneServerConnection[] = [];
  isPausing = false;

  onPeer(connection: HboneServerConnection): boolean {
    this.connections.push(connection);
    return connection.peerUriSans.includes(clientId);
  }

  onConnect(stream: InboundStream): void {
    stream.respond(200);
    const channel = stream.channel();
    if (this.isPausing) channel.pause();
    this.probes.push(new ChannelProbe(channel));
  }

  onClosed(): void {
    // The probes are told.
  }

  onHandshakeFailed(): void {
    // Seen by the client.
  }
}

/** A tunnel with a channel at both ends. */
async function tunnel(
  rig: Rig,
  acceptor: Acceptor,
  settings: Partial<HboneSettings> = {},
): Promise<() => Promise<[ChannelProbe, ChannelProbe]>> {
  const server = rig.server(settings);
  const port = rig.listen((fd) => server.accept(fd, rig.serverTls, acceptor));
  const pool = rig.pool(settings);
  return async () => {
    let client: ChannelProbe | undefined;
    const before = acceptor.probes.length;
    pool.connect(
      poolKey(port),
      dialPlan(rig, port),
      { authority: '10.0.0.1:80', headers: [] },
      {
        onConnected: (stream) => (client = new ChannelProbe(stream.channel())),
        onError: (error) => assert.fail(error.message),
      },
    );
    await rig.until(() => client !== undefined && acceptor.probes.length > before, 'tunnel');
    const remote = acceptor.probes.at(-1);
    assert.ok(client !== undefined && remote !== undefined);
    return [client, remote];
  };
}

function pour(probe: ChannelProbe, bytes: Buffer, pieceBytes: number): void {
  let at = 0;
  const on = (): void => {
    while (at < bytes.length) {
      const length = Math.min(pieceBytes, bytes.length - at);
      at += length;
      if (!probe.channel.write(bytes, at - length, length)) return;
    }
    probe.channel.end();
  };
  probe.onWritableHook = on;
  on();
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

for (const pieceBytes of [300, 10_000, 40_000, 5_000_000]) {
  test(`12 MB in pieces of ${pieceBytes} bytes go both ways at once, over small windows`, async () => {
    await using rig = new Rig();
    const open = await tunnel(rig, new Acceptor(), { streamWindowBytes: 100_000, connectionWindowBytes: 150_000 });
    const [near, far] = await open();
    const up = randomBytes(12_000_000);
    const down = randomBytes(12_000_000);
    pour(near, up, pieceBytes);
    pour(far, down, pieceBytes);
    await rig.until(() => near.isEnded && far.isEnded, 'transfer');
    assert.equal(sha(far.received), sha(up));
    assert.equal(sha(near.received), sha(down));
    assert.deepEqual([near.lost, far.lost], [undefined, undefined]);
  });
}

test('half-closes are independent', async () => {
  await using rig = new Rig();
  const [near, far] = await (await tunnel(rig, new Acceptor()))();
  near.send('question');
  near.channel.end();
  await rig.until(() => far.isEnded, 'half-close');
  assert.equal(far.received.toString(), 'question');
  far.send('answer');
  await rig.until(() => near.receivedBytes === 6, 'answer');
  assert.equal(near.isEnded, false);
  far.channel.end();
  await rig.until(() => near.isEnded, 'end');
  assert.equal(near.received.toString(), 'answer');
});

test('channels that nobody reads cannot use up the window that others share', async () => {
  await using rig = new Rig();
  const settings = { streamWindowBytes: 1_000_000, connectionWindowBytes: 4_000_000, sharesWindows: true };
  const open = await tunnel(rig, new Acceptor(), settings);
  const block = Buffer.alloc(1_000_000);
  for (let count = 0; count < 20; count++) {
    const [near, far] = await open();
    far.channel.pause();
    pour(near, block, 60_000);
  }
  const [near, far] = await open();
  const bytes = randomBytes(3_000_000);
  pour(near, bytes, 60_000);
  await rig.until(() => far.isEnded, 'a transfer beside twenty that nobody reads');
  assert.equal(sha(far.received), sha(bytes));
});

test('a paused channel holds its stream window and no more; other streams go on; nothing is lost', async () => {
  await using rig = new Rig();
  const open = await tunnel(rig, new Acceptor(), { streamWindowBytes: 200_000, connectionWindowBytes: 1_000_000 });
  const [near, far] = await open();
  far.channel.pause();
  const bytes = randomBytes(3_000_000);
  pour(near, bytes, 60_000);
  const [other, otherFar] = await open();
  for (let i = 1; i <= 20; i++) {
    other.send('ping');
    await rig.until(() => otherFar.receivedBytes === i * 4, 'ping beside a paused channel');
  }
  assert.equal(far.receivedBytes, 0);
  assert.ok(near.channel.queuedBytes > 256 * 1024);
  far.onBytesHook = () => {
    far.channel.pause();
    rig.loop.setTimer(0, { onTimer: () => far.channel.resume() });
  };
  far.channel.resume();
  await rig.until(() => far.isEnded, 'the rest');
  assert.equal(sha(far.received), sha(bytes));
});

test('bytes and the end that came before the channel was attached are told', async () => {
  await using rig = new Rig();
  const acceptor = new Acceptor();
  acceptor.isPausing = true;
  const open = await tunnel(rig, acceptor);
  const [near, far] = await open();
  near.send('early');
  near.channel.end();
  // One connection carries both: what comes after the end has come after the bytes too.
  acceptor.isPausing = false;
  const [later, laterFar] = await open();
  later.send('later');
  await rig.until(() => laterFar.receivedBytes === 5, 'what was sent later');
  assert.equal(acceptor.connections.length, 1);
  assert.equal(far.receivedBytes, 0);
  assert.equal(far.isEnded, false);
  far.channel.resume();
  await rig.until(() => far.isEnded, 'end');
  assert.equal(far.received.toString(), 'early');
});

test('close resets the stream: a loss to the peer, at once and though it is paused', async () => {
  await using rig = new Rig();
  const [near, far] = await (await tunnel(rig, new Acceptor()))();
  far.channel.pause();
  near.send('x');
  near.channel.close();
  near.channel.close();
  assert.equal(near.send('nowhere'), true);
  await rig.until(() => far.lost !== undefined, 'loss');
  assert.equal(far.lost?.code, 'CHANNEL_LOST');
  assert.match(far.lost?.message ?? '', /CANCEL/);
  assert.deepEqual([near.lost, near.isEnded, far.isEnded, far.receivedBytes], [undefined, false, false, 0]);
});

test('a lost connection is told to all of its channels', async () => {
  await using rig = new Rig();
  const acceptor = new Acceptor();
  const open = await tunnel(rig, acceptor);
  const [a] = await open();
  const [b, bFar] = await open();
  assert.equal(acceptor.connections.length, 1);
  acceptor.connections[0]?.close();
  await rig.until(() => a.lost !== undefined && b.lost !== undefined && bFar.lost !== undefined, 'loss');
  assert.equal(b.isEnded, false);
});

test('many small writes of a turn are one frame', async () => {
  await using rig = new Rig();
  const [near, far] = await (await tunnel(rig, new Acceptor()))();
  for (let i = 0; i < 100; i++) near.send('0123456789');
  await rig.until(() => far.receivedBytes === 1000, 'bytes');
  assert.equal(far.chunks.length, 1);
});

test('what the peer had ended properly is given before its reset is told', async () => {
  await using rig = new Rig();
  const acceptor = new Acceptor();
  const open = await tunnel(rig, acceptor);
  const [near, far] = await open();
  const [other, otherFar] = await open();
  far.channel.pause();
  near.send('all of it');
  near.channel.end();
  await rig.until(() => near.channel.queuedBytes === 0, 'bytes and end on their way');
  near.channel.close();
  // Frames come in order: when this has arrived, the reset has.
  other.send('later');
  await rig.until(() => otherFar.receivedBytes === 5, 'later bytes');
  assert.equal(far.lost, undefined);
  far.channel.resume();
  await rig.until(() => far.lost !== undefined, 'loss');
  assert.equal(far.received.toString(), 'all of it');
  assert.equal(far.isEnded, true);
});
