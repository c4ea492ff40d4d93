/**
 * The way of one pod into the mesh and out of it. Every call may be repeated; calls for one pod never overlap.
 *
 * In (a running pod loses no connection, so the order differs from Istio's, which captures first):
 *   return path and empty chains -> proxy listens -> probe addresses -> capture -> annotation.
 * Out: stop capturing -> annotation off -> wait until the proxy carries nothing any more -> proxy stops -> rules gone.
 * The wire to ztunnel is the same as Istio's; only the moment of the rules differs.
 */
import { AmbitError, toAmbitError, type Clock } from '@ambit/runtime';
import type { Pod } from '@ambit/kube';
import { captureOptions, redirectionOf } from '../pods/eligibility.ts';
import type { PodPlace } from '../rules/return-path.ts';
import type { ZdsWorkload } from '../zds/zds-messages.ts';
import type { EnrolmentEvent, EnrolmentPorts, NetnsHandle } from './enrolment-ports.ts';

export interface EnrolmentSettings {
  readonly dnsCapture: boolean;
  /** Whether rules that an earlier agent left are compared at once, or only at the next verification. */
  readonly repairOnStart: boolean;
  /** Peers may still hold the old configuration for a moment: the pod has to be without carried connections that long. */
  readonly releaseQuietMs: number;
  /** Connections that last longer than this after the pod left the mesh are cut. */
  readonly releaseGraceMs: number;
}

/** `idle`: nothing of ours is in the pod. `prepared`: the return path is there, nothing is captured. */
type Stage = 'idle' | 'prepared' | 'enrolled' | 'releasing';

export type ReleaseProgress = 'done' | 'waiting';

export class PodEnrolment {
  readonly #ports: EnrolmentPorts;
  readonly #settings: EnrolmentSettings;
  readonly #clock: Clock;
  readonly #report: (event: EnrolmentEvent) => void;
  #pod: Pod;
  #stage: Stage = 'idle';
  #netns: NetnsHandle | undefined;
  #isServed = false;
  /** The proxy has to be told (again): it was only told to keep what it has, or it does not serve the pod. */
  #isOwedNetns = false;
  #skipsHeal = false;
  /** The kubelet's probes are not let in yet. */
  #owesProbes = false;
  #releaseSinceMs = 0;
  #quietSinceMs: number | undefined;

  constructor(
    pod: Pod,
    ports: EnrolmentPorts,
    settings: EnrolmentSettings,
    clock: Clock,
    report: (event: EnrolmentEvent) => void,
  ) {
    this.#pod = pod;
    this.#ports = ports;
    this.#settings = settings;
    this.#clock = clock;
    this.#report = report;
  }

  get pod(): Pod {
    return this.#pod;
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** True from before the proxy is told until it has been told to stop: such pods belong into the snapshot. */
  get isServed(): boolean {
    return this.#isServed;
  }

  get netnsFd(): number | undefined {
    return this.#netns?.fd;
  }

  /** The namespace in use, while the pod is in the mesh or on its way. */
  get place(): PodPlace | undefined {
    return this.#netns && placeOf(this.#netns);
  }

  /** The proxy turned out not to serve the pod: the next `enrol` tells it again. */
  distrustProxy(): void {
    if (this.#stage === 'enrolled') this.#isOwedNetns = true;
  }

  /** A newer view of the same pod. */
  update(pod: Pod): void {
    this.#pod = pod;
  }

  /** Takes over what an earlier agent left in the pod, without touching it. A namespace not found is looked for later. */
  async restore(): Promise<void> {
    try {
      this.#netns = await this.#ports.locateNetns(this.#pod, false);
    } catch (cause) {
      // Of a pod outside of the mesh nobody needs to know.
      if (redirectionOf(this.#pod) === 'enabled')
        this.#report({ kind: 'failed', pod: this.#pod, error: toAmbitError(cause), retryMs: 0 });
    }
    if (redirectionOf(this.#pod) === 'enabled') {
      this.#stage = 'enrolled';
      this.#isServed = true;
      this.#isOwedNetns = this.#netns === undefined;
      this.#skipsHeal = !this.#settings.repairOnStart;
    } else if (await this.#hasRules()) {
      // Either on its way out or not fully in; the next step decides. The proxy keeps what it has until then.
      this.#stage = 'releasing';
      this.#isServed = true;
      this.#releaseSinceMs = this.#clock.nowMs();
    }
  }

  /**
   * Brings the pod in, or puts back what was altered in an enrolled one. With `isStarting` nothing of the pod runs yet, so
   * that all steps are taken at once. `announce` has to follow.
   * @throws what the first failing step throws; the traffic of a running pod is not captured then. A refusal of the proxy
   * has been annotated as `pending`, unless the pod is starting and fails to. Without a namespace a starting pod fails too.
   */
  async enrol(isStarting = false): Promise<void> {
    const hadNetns = this.#netns !== undefined;
    const netns = await this.#currentNetns(isStarting);
    // Enrolled in an earlier life, before the node booted: the sandbox that starts now has nothing of that.
    if (isStarting && !hadNetns) this.#stage = 'idle';
    // Whatever was before: a pod only starts on the word of the ztunnel that is there now.
    if (isStarting) this.#isOwedNetns = true;
    if (!netns) {
      if (!isStarting) return;
      throw new AmbitError('NETNS_UNKNOWN', 'the network namespace that the runtime named cannot be opened', {
        retryable: true,
      });
    }
    const place = placeOf(netns);
    const options = captureOptions(this.#pod, this.#settings.dnsCapture);
    const addresses = this.#pod.status.podIPs;
    if (this.#stage === 'enrolled') {
      if (this.#isOwedNetns) await this.#tellProxy(netns);
      await this.#ports.probes.add(this.#uid, addresses);
      if (this.#skipsHeal) this.#skipsHeal = false;
      else if ((await this.#ports.capture.heal(place, options, 'capture')) === 'repaired')
        this.#report({ kind: 'repaired', pod: this.#pod });
    } else if (isStarting && this.#stage === 'idle') {
      this.#stage = 'prepared';
      this.#isServed = true;
      this.#owesProbes = true;
      try {
        await allDone([
          this.#ports.capture.program(place, options, 'capture'),
          this.#ports.proxy.add(workloadOf(this.#pod), netns.fd),
        ]);
      } catch (cause) {
        await this.#abandon();
        throw cause;
      }
      this.#isOwedNetns = false;
      this.#stage = 'enrolled';
      this.#report({ kind: 'enrolled', pod: this.#pod });
    } else {
      if (this.#stage === 'idle') this.#stage = 'prepared';
      await this.#ports.capture.program(place, options, 'carry');
      await this.#tellProxy(netns);
      await this.#ports.probes.add(this.#uid, addresses);
      await this.#ports.capture.program(place, options, 'capture');
      this.#stage = 'enrolled';
      this.#report({ kind: 'enrolled', pod: this.#pod });
    }
  }

  /** Lets the kubelet's probes in and tells the control plane that the pod is in the mesh; a starting pod has no time for it. */
  async announce(): Promise<void> {
    if (this.#stage !== 'enrolled') return;
    if (this.#owesProbes) await this.#ports.probes.add(this.#uid, this.#pod.status.podIPs);
    this.#owesProbes = false;
    if (redirectionOf(this.#pod) !== 'enabled') await this.#ports.annotate(this.#pod, 'enabled');
  }

  /** Takes the pod out; `waiting` asks to be called again soon, since the proxy still carries connections. */
  async release(): Promise<ReleaseProgress> {
    // Most pods of most nodes are none of the mesh's: nothing is looked for there.
    const netns = this.#stage === 'idle' ? undefined : await this.#currentNetns();
    if (!netns) {
      if (redirectionOf(this.#pod) !== undefined) await this.#ports.annotate(this.#pod, undefined);
      await this.forget();
      return 'done';
    }
    const place = placeOf(netns);
    if (this.#stage !== 'releasing') {
      await this.#ports.capture.program(place, captureOptions(this.#pod, this.#settings.dnsCapture), 'carry');
      await this.#ports.probes.remove(this.#uid, this.#pod.status.podIPs);
      this.#stage = 'releasing';
      this.#releaseSinceMs = this.#clock.nowMs();
      this.#quietSinceMs = undefined;
      this.#report({ kind: 'releasing', pod: this.#pod });
    }
    if (redirectionOf(this.#pod) !== undefined) await this.#ports.annotate(this.#pod, undefined);
    if (await this.#isBusy(place)) return 'waiting';
    await this.#ports.proxy.del(this.#uid);
    this.#isServed = false;
    await this.#ports.capture.remove(place);
    this.#letGo();
    this.#report({ kind: 'released', pod: this.#pod });
    return 'done';
  }

  /** The pod is gone or has completed: its namespace needs no care any more. */
  async forget(): Promise<void> {
    if (this.#netns) this.#ports.capture.forget(placeOf(this.#netns));
    if (this.#stage === 'idle' && !this.#isServed) return this.#letGo();
    await this.#ports.probes.remove(this.#uid, this.#pod.status.podIPs);
    await this.#ports.proxy.del(this.#uid);
    this.#isServed = false;
    this.#letGo();
    this.#report({ kind: 'forgotten', pod: this.#pod });
  }

  /** Takes the pod out at once, cutting what the proxy carries: the mesh leaves the node. */
  async evict(): Promise<void> {
    const netns = this.#stage === 'idle' ? undefined : await this.#currentNetns();
    if (!netns) return;
    await this.#ports.capture.remove(placeOf(netns));
    await this.#ports.proxy.del(this.#uid);
    this.#isServed = false;
    if (redirectionOf(this.#pod) !== undefined) await this.#ports.annotate(this.#pod, undefined);
    this.#letGo();
    this.#report({ kind: 'released', pod: this.#pod });
  }

  /** Lets go of the descriptor without changing anything in the pod. */
  letGo(): void {
    this.#netns?.[Symbol.dispose]();
    this.#netns = undefined;
  }

  get #uid(): string {
    return this.#pod.metadata.uid ?? '';
  }

  /** The runtime throws the sandbox of a pod that could not start away, and comes back with another one. */
  async #abandon(): Promise<void> {
    this.#isServed = false;
    await this.#ports.proxy.del(this.#uid).catch(() => {});
    this.#letGo();
  }

  async #tellProxy(netns: NetnsHandle): Promise<void> {
    this.#isServed = true;
    try {
      await this.#ports.proxy.add(workloadOf(this.#pod), netns.fd);
    } catch (cause) {
      if (redirectionOf(this.#pod) !== 'pending') await this.#ports.annotate(this.#pod, 'pending');
      throw cause;
    }
    this.#isOwedNetns = false;
  }

  /** Rules of a pod outside of the mesh are somebody's leftovers; one that cannot be looked at is looked at later. */
  async #hasRules(): Promise<boolean> {
    if (!this.#netns) return false;
    return this.#ports.capture.isPresent(placeOf(this.#netns)).catch((cause: unknown) => {
      this.#report({ kind: 'failed', pod: this.#pod, error: toAmbitError(cause), retryMs: 0 });
      return false;
    });
  }

  /** A pod whose sandbox was replaced has a new namespace, into which it has to be brought from the start. */
  async #currentNetns(isStarting = false): Promise<NetnsHandle | undefined> {
    const found = await this.#ports.locateNetns(this.#pod, isStarting);
    if (!found) {
      if (isStarting) return undefined;
      // Gone before the pod was in: the handle would only keep a dead namespace alive.
      if (this.#stage === 'prepared') this.#letGo();
      return this.#netns;
    }
    if (this.#netns?.id === found.id) {
      found[Symbol.dispose]();
      return this.#netns;
    }
    if (this.#netns) {
      this.#netns[Symbol.dispose]();
      this.#stage = 'idle';
    }
    this.#netns = found;
    return found;
  }

  async #isBusy(place: PodPlace): Promise<boolean> {
    const nowMs = this.#clock.nowMs();
    const carried = await this.#ports.carriedConnections(place);
    if (nowMs - this.#releaseSinceMs >= this.#settings.releaseGraceMs) {
      if (carried > 0) this.#report({ kind: 'grace-ended', pod: this.#pod, carried });
      return false;
    }
    if (carried > 0) {
      this.#quietSinceMs = undefined;
      return true;
    }
    this.#quietSinceMs ??= nowMs;
    return nowMs - this.#quietSinceMs < this.#settings.releaseQuietMs;
  }

  #letGo(): void {
    this.letGo();
    this.#stage = 'idle';
  }
}

export function placeOf(netns: NetnsHandle): PodPlace {
  return { kind: 'pod', id: netns.id, enterPath: netns.enterPath };
}

/** Rejects with the first failure, but only when nothing is under way any more. */
async function allDone(steps: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(steps)) if (result.status === 'rejected') throw result.reason;
}

export function workloadOf(pod: Pod): ZdsWorkload {
  return {
    uid: pod.metadata.uid ?? '',
    name: pod.metadata.name,
    namespace: pod.metadata.namespace,
    serviceAccount: pod.spec.serviceAccountName,
  };
}
