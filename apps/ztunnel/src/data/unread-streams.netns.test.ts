/** Connections whose bytes nobody reads share a tunnel with others, and must not stop those. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { netnsSkipReason } from '@ambit/testing';
import { TwoNodes, until } from './test-support/two-nodes.ts';

const skip = netnsSkipReason();
/** Four with the windows of a stream use up those of a connection; the tunnel is shared by a hundred. */
const stuck = 20;
/** As often without progress counts as stopped. */
const quietLooks = 50;
const chunk = Buffer.alloc(256 * 1024);
/** More than windows and socket buffers of one connection take. */
const tooMuch = 64 * 1024 * 1024;

/** Writes until nothing more is taken; resolves then. */
async function fill(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  let taken = -1;
  let looks = 0;
  const write = (): void => {
    while (socket.bytesWritten < tooMuch && socket.write(chunk));
  };
  socket.on('drain', write);
  write();
  await until(
    () => {
      const before = taken;
      taken = socket.bytesWritten - socket.writableLength;
      looks = taken === before && socket.writableNeedDrain ? looks + 1 : 0;
      return looks === quietLooks ? taken : undefined;
    },
    () => `taken ${taken}`,
  );
}

test(
  'uploads that the application does not read stop no other connection of the tunnel',
  { skip, timeout: 30_000 },
  async () => {
    await using nodes = await TwoNodes.start();
    nodes.serve(nodes.server, 8080, (socket) => socket.pipe(socket));
    nodes.serve(nodes.server, 8081, (socket) => {
      socket.pause();
    });
    const uploads = await Promise.all(
      Array.from({ length: stuck }, () => nodes.connect(nodes.client, nodes.server.address, 8081)),
    );
    await Promise.all(uploads.map(fill));
    assert.equal((await nodes.exchange(nodes.client, nodes.server.address, 8080, 'hello')).received, 'hello');
    for (const socket of uploads) socket.destroy();
  },
);

test(
  'downloads that the client does not read stop no other connection of the tunnel',
  { skip, timeout: 30_000 },
  async () => {
    await using nodes = await TwoNodes.start();
    const senders: Promise<void>[] = [];
    nodes.serve(nodes.server, 8080, (socket) => socket.pipe(socket));
    nodes.serve(nodes.server, 8081, (socket) => {
      senders.push(fill(socket));
    });
    const downloads = await Promise.all(
      Array.from({ length: stuck }, async () => {
        const socket = await nodes.connect(nodes.client, nodes.server.address, 8081);
        return socket.pause();
      }),
    );
    await until(
      () => (senders.length === stuck ? stuck : undefined),
      () => `${senders.length} senders`,
    );
    await Promise.all(senders);
    assert.equal((await nodes.exchange(nodes.client, nodes.server.address, 8080, 'hello')).received, 'hello');
    for (const socket of downloads) socket.destroy();
  },
);
