import { randomUUID } from 'node:crypto';
import { Http1ClientConnection, Http2ClientConnection } from '@ambit/exchange';
import { HbonePool, type RevocableTunnel, revocationRejections, RevocationLists } from '@ambit/hbone';
import { type EventLoop, io } from '@ambit/net';
import { TokenBuckets } from '@ambit/routing';
import { assertNever, toAmbitError } from '@ambit/runtime';
import {
  descriptorSink,
  isLevelEnabled,
  LogLevels,
  type LogReport,
  type MetricAnnouncement,
  MetricRegistry,
} from '@ambit/telemetry';
import { changeCount, WorkloadStore } from '@ambit/workload';

import { ConfigState } from '../config/config-snapshot.ts';
import { CopyBudget } from '../request/body-copy.ts';
import { OtlpQueues } from '../request/trace/otlp-queues.ts';
import { SpanExporter } from '../request/trace/span-exporter.ts';
import type { ConfigUpdate, DataSettings, FromWorker, ToWorker, WorkerDescription } from '../worker-protocol.ts';
import { readConfigUpdate } from './config-updates.ts';
import { HboneInbound } from './inbound/hbone-inbound.ts';
import { ServerPorts } from './inbound/server-ports.ts';
import { Listener } from './listener.ts';
import { LiveConnections } from './live-connection.ts';
import { OwnTls } from './own-tls.ts';
import { Rebalancer } from './rebalancer.ts';
import { countReplicas } from './replicas.ts';
import { ResolvedHosts } from './resolved-hosts.ts';
import { LimitMetrics } from './telemetry/limit-metrics.ts';
import { logConstants } from './telemetry/log-constants.ts';
import type { LogSurroundings } from './telemetry/log-plan.ts';
import { logSignal, RequestLog } from './telemetry/request-log.ts';
import { TrafficObserver } from './telemetry/traffic-observer.ts';
import { MeshUpstreams } from './upstream/mesh-upstreams.ts';
import { RevocableChannels } from './upstream/revocable-channel.ts';

/** Latest time between a change of endpoints and its effect on idle connections. */
const refreshMs = 1000;
const sweepMs = 60_000;
const drainPollMs = 20;
/** New tunnels of clients that have not heard of the end get their GOAWAY as often. */
const goAwayMs = 500;
/** Hosts behind wildcards whose addresses are remembered. */
const maxVisitedHosts = 1024;
/** Copies of bodies, for retries and mirrors, of all requests of the worker. */
const maxCopyBytes = 64 * 1024 * 1024;

/** The data half of one thread. Driven by its event loop and by messages; knows nothing of threads or ports. */
export class DataWorker {
  readonly #loop: EventLoop;
  readonly #settings: DataSettings;
  readonly #post: (message: FromWorker) => void;
  readonly #registry: MetricRegistry;
  readonly #levels: LogLevels;
  readonly #log: RequestLog;
  readonly #observer: TrafficObserver;
  readonly #store = new WorkloadStore();
  readonly #state = new ConfigState();
  readonly #ownTls = new OwnTls();
  readonly #hosts: ResolvedHosts;
  /** Behind wildcards: clients choose the names. */
  readonly #visited: ResolvedHosts;
  readonly #live = new LiveConnections();
  readonly #hbone: HbonePool;
  /** To backends with TLS of their own. */
  readonly #secured = new RevocableChannels();
  readonly #rebalancer: Rebalancer;
  readonly #revocations: RevocationLists;
  readonly #upstreams: MeshUpstreams;
  readonly #inbound: HboneInbound;
  readonly #servers: ServerPorts;
  #isListening = false;
  readonly #refused: ReturnType<typeof refusedFamily>;
  #listeners: readonly Listener[] = [];
  #announcements: MetricAnnouncement[] = [];
  #isStopped = false;

  constructor(loop: EventLoop, settings: DataSettings, post: (message: FromWorker) => void) {
    this.#loop = loop;
    this.#settings = settings;
    this.#post = post;
    this.#levels = new LogLevels(settings.log.directives);
    this.#registry = new MetricRegistry({ announce: (message) => this.#announcements.push(message) });
    this.#refused = refusedFamily(this.#registry);
    this.#log = new RequestLog(descriptorSink(settings.log.fd));
    // Requests of all clients share tunnels to a backend: one that does not read must not stop the others.
    this.#hbone = new HbonePool({ loop, settings: { sharesWindows: true } });
    this.#revocations = new RevocationLists({
      loop,
      tunnels: () => this.#tunnels(),
      rejections: this.#registry.counter({ ...revocationRejections, labels: this.#registry.labels(['reporter']) }),
    });
    const resolveHost = (hostname: string): void => post({ kind: 'resolveHost', hostname });
    this.#hosts = new ResolvedHosts(loop, resolveHost);
    this.#visited = new ResolvedHosts(loop, resolveHost, maxVisitedHosts);
    const random = Math.random;
    const { network, instanceIp, identity } = settings;
    const ownTls = () => this.#ownTls.context;
    const config = () => this.#state.snapshot;
    this.#upstreams = new MeshUpstreams({
      surroundings: {
        loop,
        hbone: this.#hbone,
        identity,
        instanceIp,
        peerHbonePort: settings.peerHbonePort,
        ownTls,
        onRevoked: () => this.#revocations.onRefused('source'),
        secured: this.#secured,
        onListsChanged: () => this.#revocations.lookAgain(),
        random,
        connectHttp1: (channel, owner, options) => new Http1ClientConnection(channel, owner, loop, options),
        connectHttp2: (channel, owner, options) => new Http2ClientConnection(channel, owner, loop, options),
      },
      store: this.#store,
      network,
      instanceIp,
      config,
      resolve: (hostname) => this.#hosts.addresses(hostname),
      lookUp: (hostname) => this.#visited.lookUpAny(hostname),
    });
    const limits = new LimitMetrics(this.#registry);
    const openStreams = this.#registry
      .gauge({
        name: 'ambit_open_streams',
        help: "Clients' requests that are not finished, and connections that are not HTTP; to scale by",
        labels: this.#registry.labels([]),
      })
      .bind([]);
    const producer = {
      timers: loop,
      upstreams: this.#upstreams,
      serviceName: serviceName(identity),
      clusterId: settings.clusterId,
      podName: settings.podName,
      constants: logConstants(settings.podName),
    };
    const logQueues = new OtlpQueues(producer, logSignal);
    const queueOf: LogSurroundings['queueOf'] = (collector) => logQueues.of(collector);
    this.#observer = new TrafficObserver(this.#registry, this.#log, { constants: producer.constants, queueOf });
    const shared = {
      loop,
      store: this.#store,
      network,
      config,
      upstreams: this.#upstreams,
      live: this.#live,
      tcpObserver: this.#observer,
      wallTimeMs: () => Date.now(),
      onRefused: (reason: string, detail: string, remoteAddress: string) =>
        this.#onRefused(reason, detail, remoteAddress),
      requests: {
        identity,
        newRequestId: randomUUID,
        timers: loop,
        upstreams: this.#upstreams,
        observer: this.#observer,
        spans: new SpanExporter({
          ...producer,
          namespace: settings.podNamespace,
          gateway: settings.gateway,
          trustDomain: trustDomain(identity),
        }),
        copyBudget: new CopyBudget(maxCopyBytes),
        buckets: new TokenBuckets(settings.buckets),
        limits,
        config: () => {
          const { snapshot } = this.#state;
          if (snapshot === undefined) throw new TypeError('a request without configuration');
          return snapshot;
        },
        wallTimeMs: () => Date.now(),
        random,
      },
    };
    const onRevoked = (): void => this.#revocations.onRefused('destination');
    this.#inbound = new HboneInbound({ ...shared, instanceIp, ownTls, onRevoked });
    this.#servers = new ServerPorts({
      ...shared,
      listenAddress: settings.listenAddress,
      isIpv6Enabled: settings.isIpv6Enabled,
      onListsChanged: () => this.#revocations.lookAgain(),
      onListenFailed: (port, error) => this.#tell('error', 'listener', 'port cannot be opened', { port, error }),
    });
    this.#rebalancer = new Rebalancer({
      loop,
      live: this.#live,
      replicas: () => countReplicas(this.#store, settings),
      random,
      onMoving: (before, now, connections) =>
        this.#tell('info', 'replicas', 'replicas were added, connections move', { before, now, connections }),
    });
    this.#repeat(refreshMs, () => {
      this.#upstreams.refresh();
      openStreams.set(this.#live.activeExchanges);
      if (!this.#live.isDraining) this.#rebalancer.look();
    });
    this.#repeat(sweepMs, () => {
      this.#observer.letGo();
      limits.letGo();
      this.#registry.sweep();
    });
  }

  /** True after `stop`: the caller leaves its loop. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The HBONE port in use; 0 before `listen`. */
  get hbonePort(): number {
    return this.#listeners[0]?.port ?? 0;
  }

  /** Ends a turn: what was logged and announced in it leaves in one piece. The caller calls it once a turn. */
  flush(): void {
    this.#log.flush();
    if (this.#announcements.length === 0) return;
    const announcements = this.#announcements.splice(0);
    this.#post({ kind: 'metrics', announcements });
  }

  /** Acts on a message of the control thread. */
  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'addresses':
        // Whole batches: a proxy waits for its first one before it serves, and later ones are small.
        this.#store.apply(message.batch, 0, changeCount(message.batch));
        return this.#upstreams.onMeshChanged();
      case 'config':
        return this.#configure(message.update);
      case 'certificate':
        return this.#putCertificate(message);
      case 'revocations':
        return this.#revocations.replace(message.lists);
      case 'listen':
        return this.#listen();
      case 'drain':
        return this.#drain(message.deadlineMs, message.minimumMs);
      case 'resolved':
        this.#hosts.put(message.hostname, message.addresses);
        this.#visited.put(message.hostname, message.addresses);
        return this.#upstreams.onMeshChanged();
      case 'describe':
        return this.#post({ kind: 'described', query: message.query, description: this.#describe() });
      case 'logLevels':
        return this.#levels.reset(message.directives);
      case 'stop':
        this.#closeAll();
        this.flush();
        this.#isStopped = true;
        return;
      default:
        assertNever(message);
    }
  }

  #configure(update: ConfigUpdate): void {
    const change = readConfigUpdate(update, (name, reason) =>
      this.#tell('error', 'config', 'resource does not compile in a worker', { name, reason }),
    );
    const snapshot = this.#state.apply(change);
    if (snapshot === undefined) return;
    this.#upstreams.prepare();
    if (this.#isListening) this.#servers.update(snapshot);
    const unknown = this.#observer.configure(snapshot);
    if (unknown.length > 0) {
      this.#tell('warn', 'config', 'access log operators that are not known', { operators: unknown.join(' ') });
    }
  }

  #putCertificate({ material }: Extract<ToWorker, { kind: 'certificate' }>): void {
    try {
      this.#ownTls.put(material);
    } catch (error) {
      this.#tell('error', 'certificates', 'certificate cannot be used', { error: toAmbitError(error).message });
    }
  }

  *#tunnels(): Generator<RevocableTunnel, void, undefined> {
    for (const connection of this.#inbound.connections) yield { reporter: 'destination', connection };
    for (const connection of this.#hbone.connections) yield { reporter: 'source', connection };
    yield* this.#live.certified();
    yield* this.#secured;
  }

  #listen(): void {
    const { hbonePort, listenAddress, isIpv6Enabled } = this.#settings;
    const address = listenAddress ?? (isIpv6Enabled ? '::' : '0.0.0.0');
    const fd = io.tcpListen({ address, port: hbonePort, reusePort: true, dualStack: address === '::', backlog: 1024 });
    if (fd < 0) {
      this.#post({ kind: 'listenFailed', error: `cannot listen on ${address} port ${hbonePort}: errno ${-fd}` });
      return;
    }
    // Who is added from now on is added to these, however soon.
    this.#rebalancer.look();
    this.#listeners = [new Listener(this.#loop, fd, (accepted) => this.#inbound.accept(accepted))];
    this.#isListening = true;
    if (this.#state.snapshot !== undefined) this.#servers.update(this.#state.snapshot);
    this.#post({ kind: 'listening', hbonePort: this.hbonePort });
  }

  /** Clients hear of it by GOAWAY and `connection: close`; who has not heard yet is still served. */
  #drain(deadlineMs: number, minimumMs: number): void {
    const startMs = this.#loop.nowMs;
    let nextGoAwayMs = startMs;
    this.#live.drain();
    const look = (): void => {
      const elapsedMs = this.#loop.nowMs - startMs;
      if (this.#loop.nowMs >= nextGoAwayMs) {
        this.#inbound.drain();
        nextGoAwayMs = this.#loop.nowMs + goAwayMs;
      }
      const isDone = elapsedMs >= deadlineMs || (elapsedMs >= minimumMs && this.#live.activeExchanges === 0);
      if (!isDone) {
        this.#loop.setTimer(drainPollMs, { onTimer: look });
        return;
      }
      const cut = this.#live.activeExchanges;
      this.#closeAll();
      this.flush();
      this.#post({ kind: 'drained', cutConnections: cut });
    };
    look();
  }

  #closeAll(): void {
    for (const listener of this.#listeners) listener.close();
    this.#servers.close();
    this.#isListening = false;
    this.#live.close();
    this.#inbound.close();
    this.#upstreams.retire();
    this.#hbone.close();
  }

  #describe(): WorkerDescription {
    return {
      inboundTunnels: this.#inbound.tunnelCount,
      inboundStreams: this.#inbound.streamCount,
      outboundTunnels: this.#hbone.connectionCount,
      clusters: this.#upstreams.describe(),
    };
  }

  #onRefused(reason: string, detail: string, remoteAddress: string): void {
    const series = this.#refused.bind([reason]);
    series.inc();
    series.release();
    this.#tell('debug', 'tunnel', 'refused', { reason, detail, remoteAddress });
  }

  #tell(level: LogReport['level'], scope: string, message: string, fields: LogReport['fields']): void {
    if (isLevelEnabled(this.#levels.levelOf(scope), level)) this.#post({ kind: 'log', level, scope, message, fields });
  }

  #repeat(intervalMs: number, task: () => void): void {
    const onTimer = (): void => {
      task();
      this.#loop.setTimer(intervalMs, { onTimer });
    };
    this.#loop.setTimer(intervalMs, { onTimer });
  }
}

function refusedFamily(registry: MetricRegistry) {
  return registry.counter({
    name: 'ambit_waypoint_connections_refused',
    help: 'Tunnels, requests for one, and connections to listeners that were refused',
    labels: registry.labels(['reason']),
  });
}

/** `<service account>.<namespace>`, as Istio names who makes spans. */
function trustDomain(identity: string): string {
  return /^spiffe:\/\/([^/]+)/.exec(identity)?.[1] ?? '';
}

function serviceName(identity: string): string {
  const [, namespace = '', account = ''] = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(identity) ?? [];
  return `${account}.${namespace}`;
}
