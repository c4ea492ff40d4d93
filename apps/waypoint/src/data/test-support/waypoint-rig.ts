/**
 * A data worker in this process, with clients and backends of Node around it: the worker's loop is turned between the turns
 * of Node's own. Everything on loopback.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BridgeResult, HbonePool, HboneServer, type HboneServerHandler, type InboundStream } from '@ambit/hbone';
import { EAGAIN, EPOLLIN, EPOLLOUT, EventLoop, type Fd, io, type TlsContext } from '@ambit/net';
import { MetricRegistry } from '@ambit/telemetry';
import { makeTestCa, type TestCa } from '@ambit/testing';
import { WorkloadArena } from '@ambit/workload';
import type { ConfigUpdate, DataSettings, FromWorker } from '../../worker-protocol.ts';
import { DataWorker } from '../data-worker.ts';

export const clientId = 'spiffe://cluster.local/ns/shop/sa/client';
export const waypointId = 'spiffe://cluster.local/ns/shop/sa/waypoint';

/** A port that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  server.close();
  await once(server, 'close');
  return address.port;
}

/** The node proxy of endpoints: takes tunnels for any identity that it is given, and dials the authority on loopback. */
class EndpointNode implements HboneServerHandler {
  readonly requests: InboundStream[] = [];
  readonly results: BridgeResult[] = [];
  readonly peers: (readonly string[])[] = [];
  readonly #loop: EventLoop;

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  onPeer(connection: { readonly peerUriSans: readonly string[] }): boolean {
    this.peers.push(connection.peerUriSans);
    return true;
  }

  onConnect(stream: InboundStream): void {
    this.requests.push(stream);
    const fd = io.tcpConnect({ address: '127.0.0.1', port: Number(stream.authority.split(':')[1]) });
    this.#loop.add(fd, EPOLLOUT, {
      onEvents: () => {
        this.#loop.remove(fd);
        if (io.socketError(fd) !== 0) {
          io.close(fd);
          return stream.respond(503);
        }
        stream.respond(200);
        stream.bridge(fd, { onClose: (result) => this.results.push(result) });
      },
    });
  }

  onClosed(): void {
    // Told by the bridges.
  }

  onHandshakeFailed(): void {
    // Told by the waypoint.
  }
}

export class WaypointRig implements AsyncDisposable {
  readonly loop: EventLoop = new EventLoop();
  readonly ca: TestCa = makeTestCa();
  readonly reports: FromWorker[] = [];
  readonly registry: MetricRegistry = new MetricRegistry();
  readonly worker: DataWorker;
  readonly node: EndpointNode = new EndpointNode(this.loop);
  /** Where endpoints take HBONE. */
  readonly nodePort: number;
  readonly #arena = new WorkloadArena();
  readonly #undo: (() => void)[] = [];
  readonly #logPath: string;

  private constructor(nodePort: number) {
    this.nodePort = nodePort;
    const folder = mkdtempSync(join(tmpdir(), 'ambit-waypoint-'));
    this.#logPath = join(folder, 'access.log');
    const fd = openSync(this.#logPath, 'a');
    this.#undo.push(() => rmSync(folder, { recursive: true }));
    this.#undo.push(() => closeSync(fd));
    const settings: DataSettings = {
      role: 'waypoint',
      network: '',
      clusterId: 'Kubernetes',
      podName: 'waypoint-1',
      podNamespace: 'shop',
      nodeName: 'node1',
      instanceIp: '127.0.0.99',
      identity: waypointId,
      listenAddress: '127.0.0.1',
      isIpv6Enabled: false,
      hbonePort: 0,
      peerHbonePort: nodePort,
      log: { directives: 'info', fd },
    };
    this.worker = new DataWorker(this.loop, settings, (message) => {
      this.reports.push(message);
      if (message.kind === 'metrics') {
        for (const announcement of message.announcements) this.registry.mirror('data-0', announcement);
      }
    });
    this.worker.receive({ kind: 'certificate', material: this.ca.issue(waypointId) });
    this.worker.receive({ kind: 'listen' });
    assert.notEqual(this.worker.hbonePort, 0);
  }

  static async open(): Promise<WaypointRig> {
    return new WaypointRig(await freePort());
  }

  defer(undo: () => void): void {
    this.#undo.push(undo);
  }

  get accessLog(): string {
    this.worker.flush();
    return readFileSync(this.#logPath, 'utf8');
  }

  get metrics(): string {
    this.worker.flush();
    return this.registry.expose();
  }

  mesh(...resources: readonly Uint8Array[]): void {
    for (const resource of resources) this.#arena.upsert(resource);
    const batch = this.#arena.takeBatch();
    if (batch !== undefined) this.worker.receive({ kind: 'addresses', batch });
  }

  forget(name: string): void {
    this.#arena.remove(name);
    this.mesh();
  }

  configure(update: Partial<ConfigUpdate>): void {
    this.worker.receive({
      kind: 'config',
      update: { proxy: undefined, destinations: [], servers: [], ...update },
    });
  }

  /** Turns both loops until `isDone`; fails after twenty seconds. */
  async until(isDone: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!isDone()) {
      assert.ok(performance.now() < deadline, `not in time: ${what}`);
      this.loop.runOnce(0);
      await nextTurn();
    }
  }

  async result<T>(promise: Promise<T>, what: string): Promise<T> {
    let isDone = false;
    const settle = (): void => {
      isDone = true;
    };
    promise.then(settle, settle);
    await this.until(() => isDone, what);
    return promise;
  }

  /** An HTTP/1.1 server; its port. */
  async backend(handler: http.RequestListener): Promise<http.Server & { readonly port: number }> {
    const server = http.createServer(handler);
    this.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    return Object.assign(server, { port: address.port });
  }

  /** Takes tunnels as the node proxy of an endpoint of that identity. */
  serveNode(identity: string): void {
    const server = new HboneServer({ loop: this.loop });
    const tls = io.tlsContext(this.ca.issue(identity));
    this.#listen(this.nodePort, (fd) => server.accept(fd, tls, this.node));
    this.defer(() => server.close());
  }

  /**
   * A way into the mesh for programs of Node: what connects to the returned port comes to the waypoint as a tunnel for
   * `authority`, as from the pod of a client.
   */
  entry(authority: string, identity: string = clientId, failures: string[] = []): number {
    const pool = new HbonePool({ loop: this.loop });
    this.defer(() => pool.close());
    const tls: TlsContext = io.tlsContext(this.ca.issue(identity));
    const port = this.worker.hbonePort;
    const key = {
      sourceIdentity: identity,
      destinationIdentities: [waypointId],
      address: '127.0.0.1',
      port,
      sourceAddress: '127.0.0.1',
    };
    const plan = {
      address: '127.0.0.1',
      port,
      tls,
      verifyPeer: (names: readonly string[]) => names.includes(waypointId),
    };
    return this.#listen(0, (fd) => {
      pool.connect(
        key,
        plan,
        { authority, headers: [] },
        {
          onConnected: (stream) => void stream.bridge(fd, { onClose: () => {} }),
          onError: (error) => {
            failures.push(error.message);
            io.close(fd);
          },
        },
      );
    });
  }

  /** One request of Node's client through an entry; status, headers, body. */
  async fetch(
    port: number,
    path: string,
    options: http.RequestOptions & { readonly body?: string } = {},
  ): Promise<Fetched> {
    const { body, ...rest } = options;
    const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...rest });
    request.end(body);
    const { promise, resolve, reject } = Promise.withResolvers<Fetched>();
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    return this.result(promise, `${path} through ${port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.worker.receive({ kind: 'stop' });
    for (const undo of this.#undo.toReversed()) undo();
    for (let i = 0; i < 3; i++) {
      this.loop.runOnce(0);
      await nextTurn();
    }
    this.loop[Symbol.dispose]();
  }

  #listen(port: number, onAccept: (fd: Fd) => void): number {
    const listener = io.tcpListen({ address: '127.0.0.1', port, reusePort: true });
    assert.ok(listener >= 0, `listen on ${port}: ${listener}`);
    this.loop.add(listener, EPOLLIN, {
      onEvents: () => {
        for (let fd = io.accept(listener); fd !== -EAGAIN; fd = io.accept(listener)) if (fd >= 0) onAccept(fd);
      },
    });
    this.defer(() => {
      this.loop.remove(listener);
      io.close(listener);
    });
    return io.localAddress(listener).port;
  }
}

export interface Fetched {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}
