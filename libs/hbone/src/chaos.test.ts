import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { seededRandom } from '@ambit/testing';

import { Client, InboundProxy, OutboundProxy, Rig } from './test-support/rig.ts';

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

for (const seed of [1, 2, 3]) {
  test(`random writes, half-closes, resets and aborts leave nothing behind (seed ${seed})`, async () => {
    await using rig = new Rig();
    const random = seededRandom(seed);
    let sockets = 0;
    const application = await rig.application((socket) => {
      sockets++;
      socket.on('close', () => sockets--);
      const kind = random();
      if (kind < 0.5) socket.pipe(socket);
      else if (kind < 0.6) socket.on('data', () => socket.resetAndDestroy());
      else if (kind < 0.7) socket.end('bye').resume();
      else if (kind < 0.8) socket.destroy();
      else socket.on('end', () => socket.end(Buffer.alloc(300_000))).resume();
    });
    const inbound = new InboundProxy(rig);
    const server = rig.server();
    const hbonePort = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
    const pool = rig.pool({ poolMaxStreamsPerConnection: 20 });
    const outbound = new OutboundProxy(rig, pool, hbonePort, `127.0.0.1:${application}`);
    const filesBefore = openFiles();
    const clients: Client[] = [];
    for (let i = 0; i < 200; i++) {
      const client = new Client(rig, outbound.port);
      clients.push(client);
      client.socket.write(Buffer.alloc(Math.floor(random() ** 4 * 2_000_000) + 1));
      const kind = random();
      if (kind < 0.5) client.socket.end();
      else if (kind < 0.7) client.socket.once('data', () => client.socket.resetAndDestroy());
      else if (kind < 0.8) client.socket.on('connect', () => client.socket.resetAndDestroy());
      else client.socket.once('data', () => client.socket.end());
      if (random() < 0.3) await rig.until(() => outbound.pending.length > i / 2, 'some progress');
      if (random() < 0.1) outbound.pending.at(-1)?.cancel();
    }
    for (const client of clients) client.socket.on('end', () => client.socket.end());
    rig.loop.setTimer(1500, {
      onTimer: () => {
        for (const client of clients) client.socket.destroy();
      },
    });
    await rig.until(
      () => clients.every((client) => client.isClosed) && pool.streamCount === 0 && sockets === 0,
      'all ends',
    );
    await rig.until(() => [...server.connections].every((connection) => connection.streamCount === 0), 'no streams');
    // Requests that were cancelled leave their accepted socket to the proxy of this test, which closes with the rig.
    const cancelled = outbound.pending.filter((pending) => pending.isCancelled).length - outbound.errors.length;
    const left = (): number => openFiles() - filesBefore - pool.connectionCount - server.connectionCount;
    await rig.until(() => left() <= cancelled, 'no descriptors left');
    for (const { error } of [...inbound.results, ...outbound.results]) assert.equal(error, undefined);
  });
}
