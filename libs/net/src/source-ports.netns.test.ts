/** Which ports connections from somebody else's address use: needs root and Linux 6.3. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { netnsSkipReason, NetnsSet, type Netns } from '@ambit/testing';
import { EPOLLIN } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io, type Fd } from './io.ts';
import { checked } from './net-error.ts';
import { turnUntil } from './test-support/loopback.ts';

const firstPort = 32_768;
const windowSize = 64;
const windows = 441;

describe('ports of connections from somebody else', { skip: netnsSkipReason() }, () => {
  let set: NetnsSet;
  let pod: Netns;
  let netnsFd: Fd;
  let application: Fd;
  const open: Fd[] = [];

  before(() => {
    set = new NetnsSet('ports');
    pod = set.create('pod');
    netnsFd = io.openNetns(pod.path);
    const neighbour = { netns: set.create('neighbour'), device: 'eth0', addresses: ['10.9.8.2/24'] };
    set.link({ netns: pod, device: 'eth0', addresses: ['10.9.8.1/24'] }, neighbour);
    application = checked('tcpListen', io.tcpListen({ netnsFd, address: '10.9.8.1', port: 8080, backlog: 1024 }));
  });

  after(() => {
    for (const fd of [...open, application, netnsFd]) io.close(fd);
    set[Symbol.dispose]();
  });

  const connect = (): Fd =>
    checked('tcpConnect', io.tcpConnect({ netnsFd, address: '10.9.8.1', port: 8080, sourceAddress: '10.9.8.1' }));

  /** Both ends of a new connection. */
  function pair(): { readonly client: Fd; readonly server: Fd; readonly port: number } {
    const client = connect();
    using loop = new EventLoop();
    let server: Fd = -1;
    loop.add(application, EPOLLIN, { onEvents: () => (server = io.accept(application)) });
    turnUntil(loop, () => server >= 0, 'accept');
    return { client, server, port: io.localAddress(client).port };
  }

  test('one after the other they take the next window of ports, so that a used one rests', () => {
    const seen = Array.from({ length: windows + 1 }, () => {
      const { client, server, port } = pair();
      // Who closes first keeps the port.
      io.close(client);
      io.close(server);
      return Math.floor((port - firstPort) / windowSize);
    });
    const start = seen[0] ?? 0;
    assert.deepEqual(
      seen,
      seen.map((_, i) => (start + i) % windows),
    );
  });

  test('a window without a free port is no failure while another port is free', () => {
    pod.run('sysctl', '-q', '-w', `net.ipv4.ip_local_port_range=${firstPort} ${firstPort + 2 * windowSize - 1}`);
    // Ports of the first test that still rest lie in both windows: hold connections until one port is left.
    const free = 2 * windowSize - restingPorts(pod);
    for (let held = 0; held < free - 1; held += 1) {
      const { client, server } = pair();
      open.push(client, server);
    }
    const last = new Set<number>();
    for (let dial = 0; dial < windows; dial += 1) {
      const { client, server, port } = pair();
      last.add(port);
      // The server closes first: the client's port is free again.
      io.close(server);
      io.close(client);
    }
    assert.equal(last.size, 1);
  });
});

/** Client ports of the two windows in TIME_WAIT. */
function restingPorts(pod: Netns): number {
  const out = pod.run('ss', '-Htn', 'state', 'time-wait', 'dst', '10.9.8.1:8080');
  return out
    .split('\n')
    .map((line) => Number(/10\.9\.8\.1:(\d+)\s+10\.9\.8\.1:8080/.exec(line)?.[1] ?? 0))
    .filter((port) => port >= firstPort && port < firstPort + 2 * windowSize).length;
}
