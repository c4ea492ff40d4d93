/**
 * `node bench/request-path.ts [seconds]`: requests through one data worker on loopback, with client and backend in the same
 * thread as bare channels. Tells CPU per request of all three together, for looking at with --cpu-prof; no figure to publish.
 */
import { HbonePool } from '@ambit/hbone';
import { workload as api } from '@ambit/api';
import { type ByteChannel, type ByteChannelUser, EAGAIN, EPOLLIN, io, socketChannel } from '@ambit/net';
import { destination, pod, proxy, service } from '../src/data/test-support/mesh-messages.ts';
import { clientId, waypointId, WaypointRig } from '../src/data/test-support/waypoint-rig.ts';
import { forwardTo } from '../src/request/test-support/route-messages.ts';

const seconds = Number(process.argv[2] ?? 5);
const connections = 32;
const request = Buffer.from('GET /item/42?x=1 HTTP/1.1\r\nhost: web.shop\r\nuser-agent: bench\r\naccept: */*\r\n\r\n');
const response = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 13\r\ncontent-type: text/plain\r\n\r\nhello, world!');

/** Answers each request; every one comes in one piece. */
class Backend implements ByteChannelUser {
  readonly #channel: ByteChannel;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    channel.attach(this);
  }

  onBytes(): void {
    this.#channel.write(response, 0, response.length);
  }

  onEnd(): void {
    this.#channel.end();
  }

  onWritable(): void {
    // Answers are small.
  }

  onLost(): void {
    // The end of the run.
  }
}

let done = 0;

/** Sends a request, waits for the answer, sends the next. */
class Client implements ByteChannelUser {
  readonly #channel: ByteChannel;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    channel.attach(this);
    channel.write(request, 0, request.length);
  }

  onBytes(): void {
    done += 1;
    this.#channel.write(request, 0, request.length);
  }

  onEnd(): void {
    throw new Error('the waypoint ended a connection');
  }

  onWritable(): void {
    // Requests are small.
  }

  onLost(): void {
    // The end of the run.
  }
}

await using rig = await WaypointRig.open();
const listener = io.tcpListen({ address: '127.0.0.1', port: 0 });
rig.loop.add(listener, EPOLLIN, {
  onEvents: () => {
    for (let fd = io.accept(listener); fd !== -EAGAIN; fd = io.accept(listener)) {
      if (fd >= 0) new Backend(socketChannel(rig.loop, fd));
    }
  },
});
const { port } = io.localAddress(listener);
rig.mesh(
  service('web', '10.9.0.1'),
  pod('web', '127.0.0.1', { web: port }, { tunnelProtocol: api.TunnelProtocol.NONE }),
  pod('client', '127.0.0.1', {}, {}),
);
const [name, bytes] = destination('web', {
  httpRoutes: [
    {
      name: 'header',
      matches: [{ headers: [{ name: 'x-canary', match: { kind: { case: 'exact', value: 'yes' } } }] }],
      action: forwardTo('web.shop.svc.cluster.local'),
    },
  ],
});
const telemetry = { accessLog: { enabled: true } };
rig.configure({ proxy: proxy({ destinations: [name], telemetry }), destinations: [[name, bytes]] });

const pool = new HbonePool({ loop: rig.loop });
const hbonePort = rig.worker.hbonePort;
const tls = io.tlsContext(rig.ca.issue(clientId));
for (let i = 0; i < connections; i++) {
  pool.connect(
    {
      sourceIdentity: clientId,
      destinationIdentities: [waypointId],
      address: '127.0.0.1',
      port: hbonePort,
      sourceAddress: '127.0.0.1',
    },
    { address: '127.0.0.1', port: hbonePort, tls, verifyPeer: (names) => names.includes(waypointId) },
    { authority: '10.9.0.1:80', headers: [] },
    {
      onConnected: (stream) => void new Client(stream.channel()),
      onError: (error) => {
        throw error;
      },
    },
  );
}
const turnFor = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    rig.loop.runOnce(10);
    rig.worker.flush();
  }
};
turnFor(1000);
const before = { done, cpu: process.cpuUsage() };
turnFor(seconds * 1000);
const cpu = process.cpuUsage(before.cpu);
const count = done - before.done;
process.stdout.write(
  `${count} requests, ${Math.round(count / seconds)}/s, CPU ${((cpu.user + cpu.system) / count).toFixed(1)} us a request ` +
    `(user ${(cpu.user / count).toFixed(1)}), RSS ${Math.round(process.memoryUsage.rss() / 1048576)} MiB\n`,
);
pool.close();
rig.loop.close(listener);
