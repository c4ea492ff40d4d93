/**
 * Replicas of a waypoint as processes of their own, with real tunnels on loopback: connections spread over those that are added,
 * a restart costs nobody a request where there is another replica, and where there is none the refusal says so.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttp1, type Server } from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { ADDRESS_TYPE, DESTINATION_TYPE, PROXY_TYPE } from '@ambit/xds';
import { eventually, freePort, freePorts, listenOnLoopback } from '@ambit/testing';
import { destination, pod, proxy, proxyName, service } from '../data/test-support/mesh-messages.ts';
import { clientId, MeshRig } from '../data/test-support/mesh-rig.ts';
import { MeshServer } from './test-support/mesh-server.ts';

const vip = '10.9.0.1';
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const main = new URL('../main.ts', import.meta.url).pathname;

/** A process, where it takes tunnels, and how many client connections it has. */
interface Replica {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly process: ChildProcess;
  readonly readyPort: number;
  connections: number;
}

class Replicas implements AsyncDisposable {
  readonly all: Replica[] = [];
  readonly #rig: MeshRig;
  readonly #server: MeshServer;
  readonly #xds: number;

  constructor(rig: MeshRig, server: MeshServer, xds: number) {
    this.#rig = rig;
    this.#server = server;
    this.#xds = xds;
  }

  /** Starts one and waits until it serves; then the mesh knows of it. */
  async add(): Promise<Replica> {
    const [port = 0, admin = 0, stats = 0, readyPort = 0] = await freePorts(4);
    const name = `waypoint-${this.all.length}`;
    const address = `127.0.0.${this.all.length + 11}`;
    const child = spawn(process.execPath, [main], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env['PATH'] ?? '',
        AMBIT_GATEWAY: 'waypoint',
        POD_NAME: name,
        POD_NAMESPACE: 'shop',
        SERVICE_ACCOUNT: 'waypoint',
        INSTANCE_IP: address,
        XDS_ADDRESS: `http://127.0.0.1:${this.#xds}`,
        RUST_LOG: 'error',
        AMBIT_ADMIN_ADDRESS: `127.0.0.1:${admin}`,
        AMBIT_STATS_ADDRESS: `127.0.0.1:${stats}`,
        AMBIT_READINESS_ADDRESS: `127.0.0.1:${readyPort}`,
        AMBIT_LISTEN_ADDRESS: '127.0.0.1',
        AMBIT_HBONE_PORT: String(port),
        TERMINATION_DRAIN_DURATION: '3s',
        IPV6_ENABLED: 'false',
      },
    });
    const replica: Replica = { name, address, port, process: child, readyPort, connections: 0 };
    this.all.push(replica);
    this.publish();
    const what = `${name} is ready`;
    const isReady = async (): Promise<boolean> => {
      assert.equal(child.exitCode, null, `${name} has ended`);
      const url = `http://127.0.0.1:${readyPort}/healthz/ready`;
      return (await fetch(url).then((answer) => answer.text(), String)) === 'ready\n';
    };
    await this.#rig.result(eventually(what, isReady), what);
    return replica;
  }

  publish(): void {
    const set = this.all.map(({ name, address }) => ({
      name: `Kubernetes//Pod/shop/${name}`,
      value: pod(name, address, { waypoint: 15_008 }, { ...plain, serviceAccount: 'waypoint' }),
    }));
    this.#server.store.apply([
      {
        typeUrl: ADDRESS_TYPE,
        set: [{ name: 'shop/waypoint.shop.svc.cluster.local', value: service('waypoint', '10.9.0.2') }, ...set],
      },
    ]);
  }

  /** As for a pod that is deleted: it leaves the mesh, and is told to end. */
  async stop(replica: Replica): Promise<void> {
    this.all.splice(this.all.indexOf(replica), 1);
    this.#server.store.apply([{ typeUrl: ADDRESS_TYPE, remove: [`Kubernetes//Pod/shop/${replica.name}`] }]);
    const ended = once(replica.process, 'exit');
    replica.process.kill('SIGTERM');
    await this.#rig.result(ended, `${replica.name} ends`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child } of this.all) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  }
}

/** A client with one HTTP/2 connection, which it makes anew when it is asked to. */
class Client {
  readonly failures: string[] = [];
  readonly #entry: number;
  #session: http2.ClientHttp2Session | undefined;

  constructor(entry: number) {
    this.#entry = entry;
  }

  /** Node's session takes requests for a moment after GOAWAY has come, and refuses them itself: nobody has seen those. */
  async get(): Promise<void> {
    for (let attempt = 0; (await this.#try()) === 'refused' && attempt < 3; attempt++) this.#session = undefined;
  }

  async #try(): Promise<'done' | 'refused'> {
    const { promise, resolve } = Promise.withResolvers<'done' | 'refused'>();
    const stream = this.#connection().request({ ':path': '/', ':authority': 'web.shop' });
    let isAnswered = false;
    stream.on('response', (headers) => {
      isAnswered = true;
      if (headers[':status'] !== 200) this.failures.push(`status ${String(headers[':status'])}`);
    });
    stream.on('error', (error) => {
      if (!isRefused() || isAnswered) this.failures.push(error.message);
    });
    const isRefused = (): boolean => stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
    stream.on('close', () => resolve(isRefused() && !isAnswered ? 'refused' : 'done'));
    stream.resume().end();
    return promise;
  }

  close(): void {
    this.#session?.destroy();
  }

  #connection(): http2.ClientHttp2Session {
    if (this.#session !== undefined) return this.#session;
    const session = http2.connect(`http://127.0.0.1:${this.#entry}`);
    const leave = (): void => {
      if (this.#session === session) this.#session = undefined;
    };
    session.on('goaway', leave);
    session.on('close', leave);
    session.on('error', leave);
    this.#session = session;
    return session;
  }
}

interface Scene extends AsyncDisposable {
  readonly rig: MeshRig;
  readonly replicas: Replicas;
  readonly clients: readonly Client[];
  readonly refusals: readonly string[];
}

/** One replica with a service behind it, and clients that have a connection each. */
async function scene(clientCount: number): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const xds = await freePort();
  const rig = stack.use(new MeshRig(await freePort()));
  const server = stack.use(await MeshServer.open(rig.ca, xds));
  const replicas = stack.use(new Replicas(rig, server, xds));
  const backend = await http1Backend((port) => stack.defer(port));
  const [name, bytes] = destination('web');
  server.store.apply([
    {
      typeUrl: ADDRESS_TYPE,
      set: [
        { name: 'shop/web.shop.svc.cluster.local', value: service('web', vip) },
        { name: 'Kubernetes//Pod/shop/web', value: pod('web', '127.0.0.1', { web: backend }, plain) },
      ],
    },
    { typeUrl: DESTINATION_TYPE, set: [{ name, value: bytes }] },
    { typeUrl: PROXY_TYPE, set: [{ name: proxyName, value: proxy({ destinations: [name] }) }] },
  ]);
  await replicas.add();
  const refusals: string[] = [];
  // As node proxies do: an endpoint of the waypoint's Service for each connection; here in turn, so that shares are exact.
  let turns = 0;
  const choose = (): number => replicas.all[turns++ % replicas.all.length]?.port ?? 1;
  const entry = rig.entryToAny(choose, `${vip}:80`, clientId, refusals, (port, by) => {
    const replica = replicas.all.find((one) => one.port === port);
    if (replica !== undefined) replica.connections += by;
  });
  const clients = Array.from({ length: clientCount }, () => new Client(entry));
  stack.defer(() => {
    for (const client of clients) client.close();
  });
  return { rig, replicas, clients, refusals, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function http1Backend(defer: (undo: () => void) => void): Promise<number> {
  const server: Server = createHttp1((_request, response) => void response.end('ok'));
  defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return listenOnLoopback(server);
}

/** One request of each client. */
async function round({ rig, clients }: Scene): Promise<void> {
  await rig.result(Promise.all(clients.map((client) => client.get())), 'a round of requests');
}

function failuresOf({ clients }: Scene): readonly string[] {
  return clients.flatMap(({ failures }) => failures);
}

function largestToMean({ replicas }: Scene): number {
  const loads = replicas.all.map(({ connections }) => connections);
  return Math.max(...loads) / (loads.reduce((sum, load) => sum + load, 0) / loads.length);
}

test('after a scale-out the load of the largest comes down to 1.3 times the mean, and no request fails', async () => {
  await using one = await scene(300);
  await round(one);
  assert.equal(one.replicas.all[0]?.connections, 300);
  await Promise.all([one.replicas.add(), one.replicas.add()]);
  const loads = (): string => one.replicas.all.map(({ connections }) => connections).join(', ');
  const isSpread = async (): Promise<boolean> => {
    await round(one);
    return largestToMean(one) <= 1.3;
  };
  await one.rig.result(
    eventually(() => `connections spread: ${loads()}`, isSpread),
    'connections spread',
    150_000,
  );
  assert.deepEqual(failuresOf(one), []);
});

test('a restart fails no request where another replica serves, and without one the refusal says why', async () => {
  await using two = await scene(40);
  await two.replicas.add();
  await round(two);
  const [first, second] = two.replicas.all;
  assert.ok(first !== undefined && second !== undefined);
  let isOver = false;
  const stopping = two.replicas.stop(first).then(() => (isOver = true));
  while (!isOver) await round(two);
  await stopping;
  await round(two);
  assert.deepEqual(failuresOf(two), []);
  assert.deepEqual(two.refusals, []);

  const stoppingLast = two.replicas.stop(second);
  await two.rig.result(stoppingLast, 'the last one ends');
  await round(two);
  assert.equal(failuresOf(two).length > 0, true);
  assert.match(two.refusals[0] ?? '', /refused/i);
});
