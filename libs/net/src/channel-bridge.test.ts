import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ChannelProbe } from '@ambit/testing';
import { ChannelBridge, type ChannelBridgeResult } from './channel-bridge.ts';
import { socketChannel } from './descriptor-channel.ts';
import { EventLoop } from './event-loop.ts';
import { tcpPair, turnUntil } from './test-support/loopback.ts';

interface Rig {
  readonly client: ChannelProbe;
  readonly server: ChannelProbe;
  readonly results: ChannelBridgeResult[];
  readonly bridge: ChannelBridge;
}

function rigOf(loop: EventLoop): Rig {
  const [client, near] = tcpPair();
  const [far, server] = tcpPair();
  const results: ChannelBridgeResult[] = [];
  const bridge = new ChannelBridge(socketChannel(loop, near), socketChannel(loop, far), (result) =>
    results.push(result),
  );
  return {
    client: new ChannelProbe(socketChannel(loop, client)),
    server: new ChannelProbe(socketChannel(loop, server)),
    results,
    bridge,
  };
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('bytes go both ways, and each end through by itself', () => {
  using loop = new EventLoop();
  const { client, server, results } = rigOf(loop);
  const up = randomBytes(5_000_000);
  client.channel.write(up, 0, up.length);
  client.channel.end();
  turnUntil(loop, () => server.isEnded, 'request');
  assert.equal(sha(server.received), sha(up));
  assert.equal(client.isEnded, false);
  server.send('answer');
  server.channel.end();
  turnUntil(loop, () => client.isEnded && results.length === 1, 'answer');
  assert.equal(client.received.toString(), 'answer');
  assert.deepEqual(results, [{ bytesToFar: 5_000_000, bytesToNear: 6, lost: undefined }]);
});

test('a receiver that does not read stops the sender', () => {
  using loop = new EventLoop();
  const { client, server, bridge } = rigOf(loop);
  server.channel.pause();
  const bytes = Buffer.alloc(64_000_000);
  client.channel.write(bytes, 0, bytes.length);
  let before = -1;
  turnUntil(
    loop,
    () => {
      const isStill = bridge.bytesToFar === before;
      before = bridge.bytesToFar;
      for (let i = 0; i < 3; i++) loop.runOnce(5);
      return isStill;
    },
    'standstill',
  );
  assert.ok(before < 32_000_000);
  server.channel.resume();
  turnUntil(loop, () => server.receivedBytes === bytes.length, 'the rest');
  bridge.close();
  for (const probe of [client, server]) probe.channel.close();
});

test('the loss of one side is the loss of the other', () => {
  using loop = new EventLoop();
  const { client, server, results } = rigOf(loop);
  server.send('half');
  turnUntil(loop, () => client.receivedBytes === 4, 'half');
  server.channel.close();
  turnUntil(loop, () => client.lost !== undefined, 'loss');
  assert.equal(client.isEnded, false);
  assert.equal(results[0]?.lost?.side, 'far');
});
