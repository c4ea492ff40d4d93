import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { HboneError, TcpBridge } from './index.ts';
import type { BridgeOptions, BridgeResult } from './index.ts';
import { Client, Rig } from './test-support/rig.ts';

/** A plaintext proxy to an application; returns its port. */
function proxyTo(
  rig: Rig,
  port: number,
  results: BridgeResult[],
  options: BridgeOptions = {},
  bridges: TcpBridge[] = [],
): number {
  return rig.listen((fd) =>
    rig.connect(port, (peer) => {
      bridges.push(new TcpBridge(rig.loop, fd, peer, { onClose: (result) => results.push(result) }, options));
    }),
  );
}

test('bytes and half-closes go through in both directions', async () => {
  await using rig = new Rig();
  const results: BridgeResult[] = [];
  const application = await rig.application((socket) => {
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    socket.on('end', () => socket.end(`got ${text}`));
  });
  const client = new Client(rig, proxyTo(rig, application, results));
  client.socket.end('question');
  await rig.until(() => results.length === 1 && client.isEnded, 'end');
  assert.equal(client.received.toString(), 'got question');
  assert.deepEqual(results, [{ bytesToPeer: 8, bytesFromPeer: 12 }]);
});

test('20 MB echo unchanged', async () => {
  await using rig = new Rig();
  const results: BridgeResult[] = [];
  const bytes = randomBytes(20_000_000);
  const client = new Client(rig, proxyTo(rig, await rig.application((socket) => socket.pipe(socket)), results));
  const hash = createHash('sha256');
  client.socket.removeAllListeners('data');
  client.socket.on('data', (data) => hash.update(data));
  client.socket.end(bytes);
  await rig.until(() => results.length === 1 && client.isEnded, 'echo');
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
});

test('a stalled receiver stops the sender', async () => {
  await using rig = new Rig();
  const results: BridgeResult[] = [];
  const bridges: TcpBridge[] = [];
  const client = new Client(rig, proxyTo(rig, await rig.application((socket) => socket.pause()), results, {}, bridges));
  client.socket.write(Buffer.alloc(64 * 1024 * 1024));
  let before = -1;
  await rig.until(() => {
    const now = bridges[0]?.bytesToPeer ?? 0;
    const isStill = now > 0 && now === before && client.socket.writableLength > 0;
    before = now;
    return isStill;
  }, 'stall');
  assert.ok(before < 32 * 1024 * 1024);
  bridges[0]?.abort(new HboneError('CLOSED', 'stop'));
  assert.equal(results[0]?.error?.message, 'stop');
});

test('a reset of either side is an ordinary end', async () => {
  for (const side of ['client', 'application'] as const) {
    await using rig = new Rig();
    const results: BridgeResult[] = [];
    let hasEnded = false;
    const application = await rig.application((socket) => {
      socket.on('data', () => {
        if (side === 'application') socket.resetAndDestroy();
        else client.socket.resetAndDestroy();
      });
      socket.on('end', () => {
        hasEnded = true;
        socket.end();
      });
    });
    const client = new Client(rig, proxyTo(rig, application, results));
    client.socket.write('x');
    await rig.until(() => (side === 'client' ? hasEnded : client.isEnded), 'end');
    client.socket.end();
    await rig.until(() => results.length === 1, 'result');
    assert.equal(results[0]?.error, undefined);
  }
});

test('the prelude goes to the far side first and is not counted', async () => {
  await using rig = new Rig();
  const results: BridgeResult[] = [];
  const application = await rig.application((socket) => socket.pipe(socket));
  const client = new Client(rig, proxyTo(rig, application, results, { prelude: Buffer.from('PROXY ') }));
  client.socket.end('x');
  await rig.until(() => results.length === 1 && client.isEnded, 'end');
  assert.equal(client.received.toString(), 'PROXY x');
  assert.equal(results[0]?.bytesToPeer, 1);
});
