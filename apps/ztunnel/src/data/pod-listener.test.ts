import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { EventLoop, type Fd, io } from '@ambit/net';
import { PendingLimit } from './pending-limit.ts';
import { PodListener } from './pod-listener.ts';

const CLIENTS = 40;

test('who arrived at a listener that drains is taken, and everybody else comes to the one beside it', async () => {
  using loop = new EventLoop();
  const taken: { readonly old: Fd[]; readonly new: Fd[] } = { old: [], new: [] };
  const listener = (port: number, fds: Fd[]): { readonly port: number; readonly listener: PodListener } => {
    const fd = io.tcpListen({ address: '127.0.0.1', port, reusePort: true });
    const onAccepted = (accepted: Fd): void => void fds.push(accepted);
    return {
      port: io.localAddress(fd).port,
      listener: new PodListener(loop, fd, new PendingLimit(1_000), onAccepted, () => {}),
    };
  };
  const first = listener(0, taken.old);
  const second = listener(first.port, taken.new);
  const errors: string[] = [];
  const connected: Promise<void>[] = [];
  const clients: Socket[] = [];
  for (let i = 0; i < CLIENTS; i += 1) {
    const client = connect(first.port, '127.0.0.1').on('error', (error) => errors.push(error.message));
    connected.push(new Promise((resolve) => client.on('connect', resolve).on('close', () => resolve())));
    clients.push(client);
  }
  // Nobody is accepted yet: all wait in the two backlogs, as when the process is busy.
  await Promise.all(connected);
  first.listener.drain();
  assert.ok(taken.old.length > 0 && taken.old.length < CLIENTS, `the kernel shares them out: ${taken.old.length}`);
  for (let turn = 0; turn < CLIENTS && taken.old.length + taken.new.length < CLIENTS; turn += 1) loop.runOnce(100);
  assert.equal(taken.old.length + taken.new.length, CLIENTS);
  const greeted = clients.map(
    (client) => new Promise((resolve) => client.once('data', resolve).once('close', resolve)),
  );
  for (const fd of [...taken.old, ...taken.new]) {
    assert.equal(io.write(fd, Buffer.from('x'), 0, 1), 1);
    io.close(fd);
  }
  await Promise.all(greeted);
  second.listener.close();
  for (const client of clients) client.destroy();
  assert.deepEqual(errors, []);
});
