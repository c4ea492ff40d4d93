/** What the io layer does in network namespaces: needs root. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { netnsSkipReason, NetnsSet, type Netns } from '@ambit/testing';
import { EAGAIN, ECONNREFUSED, EINVAL } from './errno.ts';
import { EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io, type Fd } from './io.ts';
import { checked } from './net-error.ts';
import { turnUntil } from './test-support/loopback.ts';

/** The mark of the mesh's own sockets. Spec: data-plane 2.9. */
const meshMark = 0x539;

function accepted(listener: Fd): Fd {
  using loop = new EventLoop();
  let fd = -EAGAIN;
  loop.add(listener, EPOLLIN, { onEvents: () => (fd = io.accept(listener)) });
  turnUntil(loop, () => fd >= 0, 'accept');
  return fd;
}

/** 0 when connected, -errno when refused. */
function outcome(fd: Fd): number {
  using loop = new EventLoop();
  let isDone = false;
  loop.add(fd, EPOLLOUT, { onEvents: () => (isDone = true) });
  turnUntil(loop, () => isDone, 'connect');
  return io.socketError(fd);
}

function ownNetnsId(): string {
  const fd = io.openNetns('/proc/thread-self/ns/net');
  const id = io.netnsId(fd);
  io.close(fd);
  return id;
}

describe('in another network namespace', { skip: netnsSkipReason() }, () => {
  let set: NetnsSet;
  let pod: Netns;
  let netnsFd: Fd;
  before(() => {
    set = new NetnsSet('net');
    pod = set.create('pod');
    netnsFd = io.openNetns(pod.path);
    const neighbour = { netns: set.create('neighbour'), device: 'eth0', addresses: ['10.9.9.2/24', 'fd00:9::2/64'] };
    set.link({ netns: pod, device: 'eth0', addresses: ['10.9.9.1/24', 'fd00:9::1/64'] }, neighbour);
    for (const command of ['iptables', 'ip6tables']) {
      const target = command === 'iptables' ? '10.9.9.0/24' : 'fd00:9::/64';
      pod.run(
        command,
        '-t',
        'nat',
        '-A',
        'OUTPUT',
        '-p',
        'tcp',
        '-d',
        target,
        '--dport',
        '80',
        '-m',
        'mark',
        '!',
        '--mark',
        `${meshMark}`,
        '-j',
        'REDIRECT',
        '--to-ports',
        '15001',
      );
    }
    // As the mesh's rules in a pod: answers to a spoofed source come back to the proxy. Spec: data-plane 2.4.
    pod.run(
      'iptables',
      '-t',
      'mangle',
      '-A',
      'PREROUTING',
      '-m',
      'mark',
      '--mark',
      `${meshMark}`,
      '-j',
      'CONNMARK',
      '--set-mark',
      '0x111',
    );
    pod.run(
      'iptables',
      '-t',
      'mangle',
      '-A',
      'OUTPUT',
      '-m',
      'connmark',
      '--mark',
      '0x111',
      '-j',
      'CONNMARK',
      '--restore-mark',
    );
    pod.run('ip', 'rule', 'add', 'fwmark', '0x111', 'lookup', '100');
    pod.run('ip', 'route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo', 'table', '100');
  });
  after(() => {
    io.close(netnsFd);
    set[Symbol.dispose]();
  });

  test('a listener is reached from inside only, and the thread stays where it was', () => {
    const own = ownNetnsId();
    const listener = checked('tcpListen', io.tcpListen({ netnsFd, address: '127.0.0.1', port: 15_053 }));
    assert.equal(ownNetnsId(), own);
    assert.notEqual(io.netnsId(netnsFd), own);
    const inside = checked('tcpConnect', io.tcpConnect({ netnsFd, address: '127.0.0.1', port: 15_053 }));
    assert.equal(outcome(inside), 0);
    const outside = checked('tcpConnect', io.tcpConnect({ address: '127.0.0.1', port: 15_053 }));
    assert.equal(outcome(outside), -ECONNREFUSED);
    for (const fd of [listener, inside, outside]) io.close(fd);
  });

  for (const [family, target] of [
    ['IPv4', '10.9.9.77'],
    ['IPv6', 'fd00:9::77'],
  ] as const) {
    test(`a redirected ${family} connection tells where it was going, on a dual-stack listener`, () => {
      const listener = checked(
        'tcpListen',
        io.tcpListen({ netnsFd, address: '::', port: 15_001, dualStack: true, mark: meshMark, transparent: true }),
      );
      const client = checked('tcpConnect', io.tcpConnect({ netnsFd, address: target, port: 80 }));
      const server = accepted(listener);
      assert.deepEqual(io.originalDestination(server), { address: target, port: 80 });
      assert.equal(io.localAddress(server).port, 15_001);
      assert.deepEqual(io.peerAddress(server), io.localAddress(client));
      for (const fd of [listener, client, server]) io.close(fd);
    });
  }

  test('a marked connection passes by the redirection', () => {
    const proxy = checked(
      'tcpListen',
      io.tcpListen({ netnsFd, address: '::', port: 15_001, dualStack: true, mark: meshMark }),
    );
    const application = checked('tcpListen', io.tcpListen({ netnsFd, address: '10.9.9.1', port: 80 }));
    const client = checked('tcpConnect', io.tcpConnect({ netnsFd, address: '10.9.9.1', port: 80, mark: meshMark }));
    const server = accepted(application);
    assert.deepEqual(io.originalDestination(server), { address: '10.9.9.1', port: 80 });
    assert.equal(io.accept(proxy), -EAGAIN);
    for (const fd of [proxy, application, client, server]) io.close(fd);
  });

  test('marks and transparency are on the sockets that asked for them', () => {
    const listener = checked(
      'tcpListen',
      io.tcpListen({ netnsFd, address: '::', port: 0, dualStack: true, mark: meshMark, transparent: true }),
    );
    const v4 = checked('tcpListen', io.tcpListen({ netnsFd, address: '0.0.0.0', port: 0, transparent: true }));
    const udp = checked('udpBind', io.udpBind({ netnsFd, address: '127.0.0.1', port: 0, mark: meshMark }));
    assert.deepEqual(
      [listener, v4, udp].map((fd) => io.mark(fd)),
      [meshMark, 0, meshMark],
    );
    assert.deepEqual(
      [listener, v4, udp].map((fd) => io.isTransparent(fd)),
      [true, true, false],
    );
    for (const fd of [listener, v4, udp]) io.close(fd);
  });

  test('a connection comes from the address of somebody else, and carries bytes both ways', () => {
    const application = checked('tcpListen', io.tcpListen({ netnsFd, address: '10.9.9.1', port: 8080 }));
    const options = { netnsFd, address: '10.9.9.1', port: 8080, mark: meshMark, sourceAddress: '10.9.9.55' };
    const client = checked('tcpConnect', io.tcpConnect(options));
    const server = accepted(application);
    assert.equal(io.peerAddress(server).address, '10.9.9.55');
    assert.deepEqual(io.localAddress(client), io.peerAddress(server));
    assert.equal(outcome(client), 0);
    const buffer = Buffer.from('ping');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      using loop = new EventLoop();
      let got = -EAGAIN;
      loop.add(to, EPOLLIN, { onEvents: () => (got = io.read(to, buffer, 0, 4)) });
      io.write(from, buffer, 0, 4);
      turnUntil(loop, () => got === 4, 'bytes');
    }
    for (const fd of [application, client, server]) io.close(fd);
  });

  test('a source of the other family is left out, not an error', () => {
    const application = checked('tcpListen', io.tcpListen({ netnsFd, address: '10.9.9.1', port: 8080 }));
    const client = checked(
      'tcpConnect',
      io.tcpConnect({ netnsFd, address: '10.9.9.1', port: 8080, sourceAddress: 'fd00:9::55' }),
    );
    assert.equal(io.peerAddress(accepted(application)).address, '10.9.9.1');
    for (const fd of [application, client]) io.close(fd);
  });

  test('two proxies share a port for an upgrade', () => {
    const options = { netnsFd, address: '::', port: 15_008, dualStack: true, reusePort: true, mark: meshMark };
    const both = [checked('tcpListen', io.tcpListen(options)), checked('tcpListen', io.tcpListen(options))];
    for (const fd of both) io.close(fd);
  });

  test('a descriptor that is no namespace is refused and nothing is left behind', () => {
    const own = ownNetnsId();
    const other = io.eventfd();
    assert.equal(io.tcpListen({ netnsFd: other, address: '127.0.0.1', port: 0 }), -EINVAL);
    assert.equal(ownNetnsId(), own);
    io.close(other);
  });

  test('threads that make sockets in different namespaces at once do not mix them up', async () => {
    const second = set.create('second');
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      import { io } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const netnsFd = io.openNetns(workerData.path);
      let failed = 0;
      for (let i = 0; i < 2000; i++) {
        const fd = io.tcpListen({ netnsFd, address: workerData.address, port: 0 });
        if (fd < 0) failed++;
        else io.close(fd);
      }
      io.close(netnsFd);
      parentPort.postMessage(failed);
    `;
    second.run('ip', 'address', 'add', '10.8.8.8/32', 'dev', 'lo');
    pod.run('ip', 'address', 'add', '10.7.7.7/32', 'dev', 'lo');
    const places = [
      [pod, '10.7.7.7'],
      [second, '10.8.8.8'],
      [pod, '10.7.7.7'],
      [second, '10.8.8.8'],
    ] as const;
    const failures = await Promise.all(
      places.map(async ([netns, address]) => {
        const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
        const [failed] = await once(new Worker(url, { workerData: { path: netns.path, address } }), 'message');
        return failed as number;
      }),
    );
    assert.deepEqual(failures, [0, 0, 0, 0]);
  });
});
