/**
 * Two data workers as real threads, each with a pod in its own network namespace behind the redirection rules of the
 * contract, joined by a link. The test plays the control plane and the applications.
 */
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { security, workload as api } from '@ambit/api';
import { checked, EPOLLOUT, io, parseIp, watchFd } from '@ambit/net';
import { MetricRegistry } from '@ambit/telemetry';
import { eventually, makeRevocationList, makeTestCa, type Netns, NetnsSet, type TestCertificate } from '@ambit/testing';
import { WorkloadArena } from '@ambit/workload';
import { DataWorker } from '../../control/data-worker.ts';
import type { DataSettings, FromWorker } from '../../worker-protocol.ts';
import { redirect } from './redirect.ts';

export type WorkloadInit = MessageInitShape<typeof api.WorkloadSchema>;
export type ServiceInit = MessageInitShape<typeof api.ServiceSchema>;
export type PolicyInit = MessageInitShape<typeof security.AuthorizationSchema>;

/** A pod: `web` is account `web` of namespace `shop`. */
export interface TestPod {
  readonly name: string;
  readonly netns: Netns;
  readonly address: string;
  readonly node: string;
}

/** What an application got. */
export interface Exchange {
  readonly received: string;
  /** True when the connection was reset instead of closed. */
  readonly isReset: boolean;
}

const trustDomain = 'cluster.local';

export class TwoNodes implements AsyncDisposable {
  readonly client: TestPod;
  readonly server: TestPod;
  readonly messages: FromWorker[] = [];
  readonly #namespaces: NetnsSet;
  readonly #workers: Record<string, DataWorker> = {};
  readonly #arena = new WorkloadArena();
  readonly #ca = makeTestCa();
  /** Last certificate of each identity. */
  readonly #issued = new Map<string, TestCertificate>();
  readonly #logFd: number;
  readonly #registry = new MetricRegistry();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #lastQuery = 1000;
  answersCertificates = true;

  private constructor(namespaces: NetnsSet, settings: Partial<DataSettings>) {
    this.#namespaces = namespaces;
    this.client = { name: 'client', netns: namespaces.create('client'), address: '10.77.0.1', node: 'node1' };
    this.server = { name: 'server', netns: namespaces.create('server'), address: '10.77.0.2', node: 'node2' };
    namespaces.link(
      { netns: this.client.netns, device: 'eth0', addresses: ['10.77.0.1/24', 'fd77::1/64'] },
      { netns: this.server.netns, device: 'eth0', addresses: ['10.77.0.2/24', 'fd77::2/64'] },
    );
    this.client.netns.run('ip', 'route', 'add', 'default', 'via', '10.77.0.2');
    const folder = mkdtempSync(join(tmpdir(), 'ambit-data-'));
    const fd = openSync(join(folder, 'access.log'), 'a+');
    // Without a name from here on, so that a run which is cut off leaves nothing behind.
    rmSync(folder, { recursive: true });
    this.#logFd = fd;
    for (const pod of [this.client, this.server]) {
      redirect(pod.netns);
      this.#workers[pod.node] = new DataWorker({
        id: pod.node === 'node1' ? 0 : 1,
        settings: { ...defaultSettings(pod.node, fd), ...settings },
        onMessage: (message) => this.#receive(pod.node, message),
        onDeath: (error) => {
          throw error;
        },
      });
    }
  }

  /** Starts both nodes with both pods known and their proxies listening. */
  static async start(settings: Partial<DataSettings> = {}): Promise<TwoNodes> {
    const nodes = new TwoNodes(new NetnsSet('policy'), settings);
    try {
      nodes.workload(nodes.client);
      nodes.workload(nodes.server);
      nodes.publish();
      for (const pod of [nodes.client, nodes.server]) {
        await nodes.worker(pod).ready;
        nodes.addProxy(pod);
        await nodes.message((m) => m.kind === 'proxyStarted' && m.uid === pod.name);
      }
      return nodes;
    } catch (error) {
      await nodes[Symbol.asyncDispose]();
      throw error;
    }
  }

  worker(pod: TestPod): DataWorker {
    const worker = this.#workers[pod.node];
    if (worker === undefined) throw new Error(`no worker on ${pod.node}`);
    return worker;
  }

  addProxy(pod: TestPod): void {
    const info = { name: pod.name, namespace: 'shop', serviceAccount: pod.name };
    const netnsFd = io.openNetns(pod.netns.path);
    this.worker(pod).post({ kind: 'proxyAdd', uid: pod.name, info, netnsFd });
  }

  /** Puts a pod's workload into the mesh; `publish` sends it. */
  workload(pod: TestPod, init: WorkloadInit = {}): void {
    const { name, address, node } = pod;
    const value = create(api.WorkloadSchema, {
      uid: `Kubernetes//Pod/shop/${name}`,
      name,
      namespace: 'shop',
      serviceAccount: name,
      node,
      trustDomain,
      addresses: [bytes(address), bytes(address.replace('10.77.0.', 'fd77::'))],
      workloadName: name,
      canonicalName: name,
      canonicalRevision: 'v1',
      tunnelProtocol: api.TunnelProtocol.HBONE,
      ...init,
    });
    this.#arena.upsert(toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'workload', value } })));
  }

  /** A service of namespace shop, port 80 to 8080. */
  service(name: string, vip: string, init: ServiceInit = {}): void {
    const value = create(api.ServiceSchema, {
      name,
      namespace: 'shop',
      hostname: `${name}.shop.svc.cluster.local`,
      addresses: [{ address: bytes(vip) }],
      ports: [{ servicePort: 80, targetPort: 8080 }],
      ...init,
    });
    this.#arena.upsert(toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'service', value } })));
  }

  /** Sends what was changed to both nodes. */
  publish(): void {
    const batch = this.#arena.takeBatch();
    if (batch === undefined) return;
    for (const worker of Object.values(this.#workers)) worker.post({ kind: 'addresses', batch });
  }

  /** Waits until both nodes have taken everything that was sent so far. */
  async settled(): Promise<void> {
    for (const worker of Object.values(this.#workers)) {
      const query = ++this.#lastQuery;
      worker.post({ kind: 'listConnections', query });
      await this.message((m) => m.kind === 'connections' && m.query === query);
    }
  }

  /** Sends a policy `shop/<name>` to both nodes, or removes it. */
  policy(name: string, init: PolicyInit | undefined): void {
    const value =
      init &&
      toBinary(
        security.AuthorizationSchema,
        create(security.AuthorizationSchema, { name, namespace: 'shop', ...init }),
      );
    for (const worker of Object.values(this.#workers)) {
      worker.post({ kind: 'policies', changes: [{ name: `shop/${name}`, value }] });
    }
  }

  /** An application of a pod that serves TCP; `onSocket` owns the connection. */
  serve(pod: TestPod, port: number, onSocket: (socket: Socket) => void, address = '0.0.0.0'): void {
    const netnsFd = io.openNetns(pod.netns.path);
    const fd = checked('listen', io.tcpListen({ netnsFd, address, port, reusePort: true }));
    io.close(netnsFd);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#track(socket);
      onSocket(socket);
    });
    server.listen({ fd });
    this.#servers.push(server);
  }

  /** An application of a pod that connects; resolves when TCP is connected (to its own node's proxy). */
  async connect(pod: TestPod, address: string, port: number): Promise<Socket> {
    const netnsFd = io.openNetns(pod.netns.path);
    const fd = checked('connect', io.tcpConnect({ netnsFd, address, port }));
    io.close(netnsFd);
    await new Promise<void>((resolve) => {
      const watch = watchFd(fd, EPOLLOUT, () => {
        watch[Symbol.dispose]();
        resolve();
      });
    });
    const error = io.socketError(fd);
    if (error !== 0) {
      io.close(fd);
      throw new Error(`connect: ${error}`);
    }
    const socket = new Socket({ fd, allowHalfOpen: true });
    this.#track(socket);
    return socket;
  }

  /** Connects, sends, ends, and reads to the end. */
  async exchange(pod: TestPod, address: string, port: number, payload: string): Promise<Exchange> {
    const socket = await this.connect(pod, address, port);
    socket.end(payload);
    return readToEnd(socket);
  }

  /** Lines of the access log so far. */
  logLines(): readonly string[] {
    return readFileSync(`/proc/self/fd/${this.#logFd}`, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }

  /** The first line that holds all the texts. */
  async logLine(...texts: readonly string[]): Promise<string> {
    return until(
      () => this.logLines().find((line) => texts.every((text) => line.includes(text))),
      () => `no line with ${texts.join(', ')} in\n${this.logLines().join('\n')}`,
    );
  }

  /** The first message of any worker that is wanted. */
  async message(isWanted: (message: FromWorker) => boolean): Promise<FromWorker> {
    return until(
      () => this.messages.find(isWanted),
      () => `messages: ${this.messages.map((m) => JSON.stringify(m)).join('\n')}`,
    );
  }

  /** The metrics of both nodes as Prometheus text. */
  metrics(): string {
    return this.#registry.expose();
  }

  /** Waits until that many lines of the metrics match. */
  async metric(line: RegExp, count = 1): Promise<void> {
    const pattern = new RegExp(line.source, 'gu');
    await until(
      () => [...this.metrics().matchAll(pattern)].length >= count || undefined,
      () => `${count} lines like ${line.source} in\n${this.metrics()}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    for (const worker of Object.values(this.#workers)) worker.stop();
    this.#namespaces[Symbol.dispose]();
    await Promise.resolve();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #receive(node: string, message: FromWorker): void {
    if (message.kind === 'metrics') {
      for (const announcement of message.announcements) this.#registry.mirror(node, announcement);
      return;
    }
    this.messages.push(message);
    if (message.kind === 'needCertificate' && this.answersCertificates) this.certificate(node, message.identity);
  }

  /** A certificate of the mesh's CA, for a peer that the test plays itself. */
  issue(identity: string): {
    readonly certificateChainPem: string;
    readonly privateKeyPem: string;
    readonly rootsPem: string;
  } {
    return this.#ca.issue(identity);
  }

  /** Tells a node whose certificates are revoked now: the ones of these pods that they use. */
  revoke(pod: TestPod, revoked: readonly TestPod[]): void {
    const certificates = revoked.map(({ name }) => this.#issued.get(`spiffe://${trustDomain}/ns/shop/sa/${name}`));
    const lists = Buffer.from(
      makeRevocationList(
        this.#ca,
        certificates.filter((one) => one !== undefined),
      ),
    );
    this.worker(pod).post({ kind: 'revocations', lists });
  }

  /** Gives a node a certificate; for another identity than asked for with `identityInside`. */
  certificate(node: string, identity: string, identityInside: string = identity): void {
    const issued = this.#ca.issue(identityInside);
    this.#issued.set(identity, issued);
    const material = { ...issued, identity };
    this.#workers[node]?.post({ kind: 'certificate', material });
  }
}

/** Waits for something to become true. */
export function until<T>(look: () => T | undefined, explain: () => string): Promise<T> {
  return eventually(explain, look);
}

/** Everything a socket brings until its end. */
export async function readToEnd(socket: Socket): Promise<Exchange> {
  const chunks: Buffer[] = [];
  let isReset = false;
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {
    isReset = true;
  });
  await new Promise<void>((resolve) => {
    socket.on('end', () => resolve());
    socket.on('close', () => resolve());
  });
  return { received: Buffer.concat(chunks).toString(), isReset };
}

function bytes(address: string): Uint8Array {
  const ip = parseIp(address);
  if (ip === undefined) throw new Error(`not an address: ${address}`);
  return ip.bytes;
}

function defaultSettings(localNode: string, fd: number): DataSettings {
  return {
    mode: 'shared',
    network: '',
    localNode,
    clusterId: 'Kubernetes',
    clusterDomain: 'cluster.local',
    packetMark: 1337,
    reusePort: true,
    originalSource: 'best-effort',
    isIpv6Enabled: true,
    isOnDemand: false,
    ports: { outbound: 15001, inboundPlaintext: 15006, inboundHbone: 15008, socks5: 15080 },
    keepalive: { idleSec: 180, intervalSec: 180, probes: 9 },
    userTimeoutMs: undefined,
    http2: { streamWindowBytes: 4 << 20, connectionWindowBytes: 16 << 20, frameBytes: 1 << 20 },
    pool: { maxStreamsPerConnection: 100, unusedReleaseMs: 300_000 },
    isSocks5Enabled: true,
    isLocalhostAppTunnelEnabled: true,
    isBaggageEnabled: true,
    preferredServiceNamespace: undefined,
    missingPolicy: 'hold',
    missingPolicyWaitMs: 500,
    checksRevocation: false,
    sendsEarly: false,
    log: { format: 'text', directives: 'info', fd, isAuthzInfoEnabled: false },
    flowSampleRate: 1,
  };
}
