import { type RevocableTunnel, revocationRejections, RevocationLists } from '@ambit/hbone';
import type { EventLoop } from '@ambit/net';
import { PolicyStore } from '@ambit/policy';
import { assertNever, toAmbitError } from '@ambit/runtime';
import {
  AccessLogWriter,
  descriptorSink,
  isLevelEnabled,
  LogLevels,
  type MetricAnnouncement,
  MetricRegistry,
} from '@ambit/telemetry';
import { WorkloadStore } from '@ambit/workload';
import type { DataSettings, FromWorker, PodConnections, PodIdentity, ToWorker } from '../worker-protocol.ts';
import { AuthorizedConnections } from './authorized-connections.ts';
import { Certificates } from './certificates.ts';
import { ChangeWaits } from './change-waits.ts';
import type { DataContext } from './data-context.ts';
import { Demands } from './demands.ts';
import { drainTimedOut } from './failure.ts';
import { HandshakeQuota } from './handshake-quota.ts';
import { HostResolver } from './host-resolver.ts';
import { localWorkload } from './local-workload.ts';
import { PendingLimit } from './pending-limit.ts';
import { PodProxy } from './pod-proxy.ts';
import { TrafficMetrics } from './traffic-metrics.ts';
import { UpdateQueue } from './update-queue.ts';

/** Connections of one worker that are accepted but do not carry bytes yet. */
const maxPending = 8192;
/** Of them, handshakes of one source address that are not finished. A proxy has one tunnel to a pod, seldom more. */
const maxHandshakesPerSource = 512;
/** How often long connections bring their counters up to date. */
const counterIntervalMs = 2000;
/** How often retired series are looked for. */
const sweepIntervalMs = 60_000;
/** Latest time between a change of a workload's policies and its effect on open connections. */
const targetCheckMs = 50;
const drainPollMs = 20;
/** How long before the end of a drain connections end as soon as nobody is using them; at most a quarter of it. */
const quietMs = 1000;

/**
 * The data half of one thread: pods, connections, and what they share. Driven by its event loop and by messages; knows
 * nothing of threads or ports.
 */
export class DataWorker {
  readonly #loop: EventLoop;
  readonly #data: DataContext;
  readonly #updates: UpdateQueue;
  readonly #registry: MetricRegistry;
  readonly #levels: LogLevels;
  readonly #pods = new Map<string, PodProxy>();
  /** Policies that select each pod, by uid, as the last check found them. */
  readonly #targets = new Map<string, string>();
  #isTargetCheckDue = false;
  #announcements: MetricAnnouncement[] = [];
  #isStopped = false;

  constructor(loop: EventLoop, settings: DataSettings, post: (message: FromWorker) => void, takeMessages: () => void) {
    this.#loop = loop;
    this.#levels = new LogLevels(settings.log.directives);
    this.#registry = new MetricRegistry({ announce: (message) => this.#announce(message) });
    const metrics = new TrafficMetrics(this.#registry);
    const { sink, maxWriteBytes } = descriptorSink(settings.log.fd);
    const log = new AccessLogWriter({
      format: settings.log.format,
      sink,
      maxWriteBytes,
      level: this.#levels.levelOf('access'),
    });
    const store = new WorkloadStore(settings.localNode === undefined ? {} : { localNode: settings.localNode });
    const policies = new PolicyStore();
    const { outbound, inboundPlaintext, inboundHbone, socks5 } = settings.ports;
    const illegalPorts = new Set([outbound, inboundPlaintext, inboundHbone]);
    if (settings.isSocks5Enabled) illegalPorts.add(socks5);
    const { flowSampleRate } = settings;
    this.#data = {
      loop,
      settings,
      store,
      policies,
      certificates: new Certificates(loop, post, () => Date.now(), settings.checksRevocation),
      revocations: new RevocationLists({
        loop,
        tunnels: () => this.#tunnels(),
        rejections: this.#registry.counter({ ...revocationRejections, labels: this.#registry.labels(['reporter']) }),
      }),
      waits: new ChangeWaits(loop),
      hosts: new HostResolver(post),
      demands: new Demands(post),
      authorized: new AuthorizedConnections(loop, policies),
      pending: new PendingLimit(maxPending),
      handshakes: new HandshakeQuota(maxHandshakesPerSource),
      outlets: { metrics, log, flowSampleRate, nowMs: () => loop.nowMs, random: Math.random, post },
      log,
      illegalPorts,
      post,
      takeMessages,
      random: Math.random,
      logPolicy: (message, policy) => this.#logPolicy(message, policy),
    };
    this.#updates = new UpdateQueue(loop, store, policies, {
      onAddressesChanged: () => {
        this.#data.waits.onChange();
        this.#checkTargetsSoon();
      },
      onPoliciesChanged: () => {
        this.#data.waits.onChange();
        this.#data.authorized.onPolicyChange();
      },
      onDemanded: (name) => this.#data.demands.answer(name),
      onBadPolicy: (name, reason) => {
        const fields = { policy: name, reason };
        post({ kind: 'log', level: 'error', scope: 'data', message: 'policy does not decode', fields });
      },
    });
    this.#repeat(counterIntervalMs, () => {
      for (const pod of this.#pods.values()) pod.updateCounters();
    });
    this.#repeat(sweepIntervalMs, () => {
      metrics.forgetLabels();
      this.#registry.sweep();
    });
  }

  /** True after `stop`: the caller leaves its loop. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends a turn: what was logged and announced in it leaves in one piece. The caller calls it once a turn. */
  flush(): void {
    this.#data.log.flush();
    if (this.#announcements.length === 0) return;
    const announcements = this.#announcements;
    this.#announcements = [];
    this.#data.post({ kind: 'metrics', announcements });
  }

  /** Acts on a message of the control thread. */
  receive(message: ToWorker): void {
    const { certificates, hosts, post } = this.#data;
    switch (message.kind) {
      case 'addresses':
      case 'policies':
        return this.#updates.push(message);
      case 'certificate':
        return certificates.put(message.material);
      case 'revocations':
        return this.#data.revocations.replace(message.lists);
      case 'certificateFailed':
        return certificates.fail(message.identity, message.error);
      case 'certificateForgotten':
        return certificates.forget(message.identity);
      case 'proxyAdd':
        return this.#addProxy(message.uid, message.info, message.netnsFd);
      case 'proxyRemove':
        return this.#removeProxy(message.uid);
      case 'drain':
        return this.#drain(message.deadlineMs);
      case 'listConnections': {
        const pods: Record<string, PodConnections> = {};
        for (const [uid, pod] of this.#pods) pods[uid] = pod.describe();
        return post({ kind: 'connections', query: message.query, pods });
      }
      case 'hostResolved':
        return hosts.answer(message.query, message.addresses);
      case 'demanded':
        // Behind the addresses that came before it.
        return this.#updates.push(message);
      case 'logLevels':
        this.#levels.reset(message.directives);
        this.#data.log.level = this.#levels.levelOf('access');
        return undefined;
      case 'stop':
        for (const uid of this.#pods.keys()) this.#removeProxy(uid);
        this.flush();
        this.#isStopped = true;
        return undefined;
      default:
        return assertNever(message);
    }
  }

  *#tunnels(): Generator<RevocableTunnel, void, undefined> {
    for (const pod of this.#pods.values()) yield* pod.tunnels();
  }

  #addProxy(uid: string, pod: PodIdentity, netnsFd: number | undefined): void {
    const { post } = this.#data;
    this.#removeProxy(uid);
    const proxy = new PodProxy(this.#data, pod, netnsFd);
    try {
      proxy.open();
    } catch (error) {
      post({ kind: 'proxyFailed', uid, error: toAmbitError(error).message });
      return;
    }
    this.#pods.set(uid, proxy);
    post({ kind: 'proxyStarted', uid });
  }

  #removeProxy(uid: string): void {
    const proxy = this.#pods.get(uid);
    this.#pods.delete(uid);
    this.#targets.delete(uid);
    proxy?.close();
  }

  #drain(deadlineMs: number): void {
    const endMs = this.#loop.nowMs + deadlineMs;
    const quietFromMs = endMs - Math.min(quietMs, deadlineMs / 4);
    let cut = 0;
    for (const pod of this.#pods.values()) pod.drain();
    const look = (): void => {
      if (this.#loop.nowMs >= quietFromMs) for (const pod of this.#pods.values()) cut += pod.closeQuiet(drainTimedOut);
      let open = 0;
      for (const pod of this.#pods.values()) open += pod.connectionCount;
      if (open > 0 && this.#loop.nowMs < endMs) {
        this.#loop.setTimer(drainPollMs, { onTimer: look });
        return;
      }
      for (const pod of this.#pods.values()) pod.close(drainTimedOut);
      this.#pods.clear();
      this.flush();
      this.#data.post({ kind: 'drained', cutConnections: cut + open });
    };
    look();
  }

  #announce(message: MetricAnnouncement): void {
    this.#announcements.push(message);
  }

  #logPolicy(message: string, policy: string): void {
    const level = this.#data.settings.log.isAuthzInfoEnabled ? 'info' : 'debug';
    if (!isLevelEnabled(this.#levels.levelOf('rbac'), level)) return;
    this.#data.log.event(level, 'rbac', message, [['policy', policy]]);
  }

  /** A resync changes addresses in thousands of slices; what they mean for the pods' policies is looked at now and then. */
  #checkTargetsSoon(): void {
    if (this.#isTargetCheckDue) return;
    this.#isTargetCheckDue = true;
    this.#loop.setTimer(targetCheckMs, {
      onTimer: () => {
        this.#isTargetCheckDue = false;
        this.#checkTargets();
      },
    });
  }

  /** Policies that select a pod come with its workload: connections are looked at again when they are others. */
  #checkTargets(): void {
    let hasChanged = false;
    for (const [uid, { pod }] of this.#pods) {
      const names = localWorkload(this.#data, pod)?.authorizationPolicies.join(' ');
      if (names === undefined || this.#targets.get(uid) === names) continue;
      this.#targets.set(uid, names);
      hasChanged = true;
    }
    if (hasChanged) this.#data.authorized.onPolicyChange();
  }

  #repeat(intervalMs: number, task: () => void): void {
    const onTimer = (): void => {
      task();
      this.#loop.setTimer(intervalMs, { onTimer });
    };
    this.#loop.setTimer(intervalMs, { onTimer });
  }
}
