/**
 * Keeps every pod of this node where its labels say it belongs: one worker per pod, retried without end, re-verified
 * periodically. Level-triggered: events only say "look again". Spec: data-plane contract 4.7.
 */
import { AmbitError, Backoff, toAmbitError, type Clock } from '@ambit/runtime';
import type { Namespace, Pod, ResourceEvent, ResourceSource } from '@ambit/kube';
import { isEligible, isTerminal, isZtunnel, type EligibilityRules } from '../pods/eligibility.ts';
import { isRuntimeUid } from '../pods/told-pods.ts';
import type { PodPlace } from '../rules/return-path.ts';
import type { SnapshotPod } from '../zds/zds-registry.ts';
import type { EnrolmentEvent, EnrolmentPorts } from './enrolment-ports.ts';
import { Gate } from './gate.ts';
import { PodEnrolment, workloadOf, type EnrolmentSettings } from './pod-enrolment.ts';

export interface EnrolmentControllerOptions {
  readonly source: ResourceSource;
  readonly nodeName: string;
  readonly systemNamespace: string;
  readonly eligibility: EligibilityRules;
  readonly settings: EnrolmentSettings;
  /** Time between two looks at the rules of an enrolled pod. */
  readonly verifyIntervalMs: number;
  readonly ports: EnrolmentPorts;
  readonly clock: Clock;
  /** The pod with the addresses that its status does not name yet. */
  readonly complete?: (pod: Pod) => Pod;
  readonly onEvent: (event: EnrolmentEvent) => void;
}

/** A pod that should be in the mesh. */
export interface ExpectedPod {
  readonly pod: Pod;
  readonly isEnrolled: boolean;
  /** Its namespace, if it has been found. */
  readonly place: PodPlace | undefined;
}

type Settled = (error: AmbitError | undefined) => void;

interface Worker {
  readonly enrolment: PodEnrolment;
  readonly backoff: Backoff;
  isGone: boolean;
  /** The runtime waits for this pod; nothing of it runs yet. */
  isStarting: boolean;
  isRunning: boolean;
  isAgain: boolean;
  timer: Disposable | undefined;
  /** Told by the next step that begins, never by one that runs already: that one knows nothing of what they ask for. */
  onSettled: Set<Settled>;
}

const PARALLEL_PODS = 4;
const RELEASE_POLL_MS = 250;

export class EnrolmentController implements Disposable {
  readonly #options: EnrolmentControllerOptions;
  /** By pod uid. */
  readonly #workers = new Map<string, Worker>();
  readonly #gate = new Gate(PARALLEL_PODS);
  #subscription: Disposable | undefined;
  #verifyTimer: Disposable | undefined;
  #isDisposed = false;

  constructor(options: EnrolmentControllerOptions) {
    this.#options = options;
  }

  /** Rebuilds the state from the node; after this `snapshot` is complete. */
  async start(): Promise<void> {
    for (const pod of this.#localPods())
      if (!isTerminal(pod) && !pod.spec.hostNetwork) await this.#worker(pod).enrolment.restore();
  }

  /** Begins to act on pods and their changes. */
  run(): void {
    this.#subscription = this.#options.source.subscribe((events) => this.#onEvents(events));
    this.#sync(() => true);
    this.#verifyLater();
  }

  /** What a proxy that connects has to serve. */
  snapshot(): readonly SnapshotPod[] {
    return [...this.#workers.values()]
      .filter(({ enrolment }) => enrolment.isServed)
      .map(({ enrolment }) => ({ workload: workloadOf(enrolment.pod), netnsFd: enrolment.netnsFd }));
  }

  /** A proxy has taken over the snapshot: pods that were waiting for one are tried at once. */
  onProxySynced(): void {
    for (const worker of this.#workers.values()) if (worker.enrolment.stage !== 'enrolled') this.#kick(worker);
  }

  get enrolledCount(): number {
    return [...this.#workers.values()].filter(({ enrolment }) => enrolment.stage === 'enrolled').length;
  }

  /**
   * Resolves when a pod that the runtime is starting is where it belongs: true if that is in the mesh.
   * @param uid as the runtime knows it; empty when unknown
   * @throws AmbitError what the attempt failed with, or `POD_UNKNOWN`, or `POD_WITHOUT_ADDRESS`.
   */
  async settle(namespace: string, name: string, uid: string): Promise<boolean> {
    const seen = this.#nodePods().find(
      (pod) => pod.metadata.namespace === namespace && pod.metadata.name === name && isRuntimeUid(pod, uid),
    );
    if (!seen)
      throw new AmbitError('POD_UNKNOWN', `pod ${namespace}/${name} is not known on this node (yet)`, {
        retryable: true,
      });
    if (isZtunnel(seen, this.#options.systemNamespace) || !this.#wants(seen)) return false;
    const pod = this.#localPods().find(({ metadata }) => metadata.uid === seen.metadata.uid);
    if (!pod)
      throw new AmbitError(
        'POD_WITHOUT_ADDRESS',
        `pod ${namespace}/${name} has no address: the network plugins before ambit-cni told none`,
        { retryable: true },
      );
    const worker = this.#worker(pod);
    worker.enrolment.update(pod);
    // A sandbox that was replaced has a new namespace, even if its pod was enrolled before.
    worker.isStarting = true;
    const settled = new Promise<void>((resolve, reject) => {
      worker.onSettled.add((error) => (error ? reject(error) : resolve()));
    });
    this.#kick(worker);
    await settled;
    return true;
  }

  /** Every pod of this node that should be in the mesh now, and how far it is. */
  expected(): readonly ExpectedPod[] {
    const namespaces = new Map(this.#options.source.list('Namespace').map((one) => [one.metadata.name, one]));
    const wants = (pod: Pod): boolean => this.#belongs(pod, namespaces.get(pod.metadata.namespace));
    return [...this.#workers.values()]
      .filter(({ enrolment, isGone }) => !isGone && !isTerminal(enrolment.pod) && wants(enrolment.pod))
      .map(({ enrolment: { pod, stage, place } }) => ({ pod, isEnrolled: stage === 'enrolled', place }));
  }

  /** Looks at a pod now; with `distrustsProxy` the proxy is told of it again. */
  recheck(uid: string, distrustsProxy: boolean): void {
    const worker = this.#workers.get(uid);
    if (!worker || worker.isRunning) return;
    if (distrustsProxy) worker.enrolment.distrustProxy();
    this.#kick(worker);
  }

  /** Takes every pod out of the mesh, after disposing of the subscription: for good, unless somebody starts over. */
  async evictAll(onError: (pod: Pod, error: AmbitError) => void): Promise<void> {
    this.#isDisposed = true;
    this.#stopTimers();
    await Promise.all(
      [...this.#workers.values()].map(({ enrolment }) =>
        this.#gate.run(() => enrolment.evict()).catch((cause: unknown) => onError(enrolment.pod, toAmbitError(cause))),
      ),
    );
  }

  #stopTimers(): void {
    this.#subscription?.[Symbol.dispose]();
    this.#verifyTimer?.[Symbol.dispose]();
    for (const worker of this.#workers.values()) worker.timer?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#stopTimers();
    for (const { enrolment } of this.#workers.values()) enrolment.letGo();
  }

  /** Only pods that changed, or whose namespace did, are looked at: a node that starts many must not look at all each time. */
  #onEvents(events: readonly ResourceEvent[]): void {
    const pods = new Set<string>();
    const namespaces = new Set<string>();
    for (const event of events) {
      const resource = event.kind === 'delete' ? event.previous : event.resource;
      if (resource.kind === 'Pod') pods.add(uidOf(resource));
      if (resource.kind === 'Namespace') namespaces.add(resource.metadata.name);
    }
    if (pods.size + namespaces.size > 0)
      this.#sync((pod) => pods.has(uidOf(pod)) || namespaces.has(pod.metadata.namespace));
  }

  /** Gives workers the newest view of their pods, and makes workers for new pods. */
  #sync(isNews: (pod: Pod) => boolean): void {
    const present = new Set<string>();
    for (const pod of this.#localPods()) {
      present.add(uidOf(pod));
      if (!isNews(pod)) continue;
      const worker = this.#worker(pod);
      worker.enrolment.update(pod);
      this.#kick(worker);
    }
    for (const [uid, worker] of this.#workers) {
      if (present.has(uid) || worker.isGone) continue;
      worker.isGone = true;
      this.#kick(worker);
    }
  }

  /** A pod without an address has not been started yet. */
  #localPods(): readonly Pod[] {
    const { systemNamespace, complete = (pod) => pod } = this.#options;
    return this.#nodePods()
      .filter((pod) => !isZtunnel(pod, systemNamespace))
      .map(complete)
      .filter((pod) => pod.status.podIPs.length > 0);
  }

  #nodePods(): readonly Pod[] {
    const { source, nodeName } = this.#options;
    return source.list('Pod').filter((pod) => pod.spec.nodeName === nodeName && uidOf(pod) !== '');
  }

  #worker(pod: Pod): Worker {
    const uid = uidOf(pod);
    let worker = this.#workers.get(uid);
    if (!worker) {
      const { ports, settings, clock, onEvent } = this.#options;
      worker = {
        enrolment: new PodEnrolment(pod, ports, settings, clock, onEvent),
        backoff: new Backoff({ initialMs: 5, maxMs: 5_000 }),
        isGone: false,
        isStarting: false,
        isRunning: false,
        isAgain: false,
        timer: undefined,
        onSettled: new Set(),
      };
      this.#workers.set(uid, worker);
    }
    return worker;
  }

  #wants(pod: Pod): boolean {
    const namespaces = this.#options.source.list('Namespace');
    return this.#belongs(
      pod,
      namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace),
    );
  }

  #belongs(pod: Pod, namespace: Namespace | undefined): boolean {
    return isEligible(pod, namespace?.metadata.labels ?? {}, this.#options.eligibility);
  }

  #kick(worker: Worker): void {
    if (this.#isDisposed) return;
    worker.timer?.[Symbol.dispose]();
    worker.timer = undefined;
    if (worker.isRunning) {
      worker.isAgain = true;
      return;
    }
    worker.isRunning = true;
    worker.isAgain = false;
    void this.#gate
      .run(() => this.#step(worker), worker.isStarting)
      .then((delayMs) => {
        worker.isRunning = false;
        if (worker.isAgain) this.#kick(worker);
        else if (delayMs !== undefined && !this.#isDisposed)
          worker.timer = this.#options.clock.after(delayMs, () => this.#kick(worker));
      });
  }

  /** One step towards where the pod belongs; never rejects. Returns when to look again, if at all. */
  async #step(worker: Worker): Promise<number | undefined> {
    const { enrolment, isStarting, onSettled } = worker;
    worker.isStarting = false;
    worker.onSettled = new Set();
    const settle: Settled = (error) => {
      for (const callback of onSettled) callback(error);
      onSettled.clear();
    };
    if (this.#isDisposed) {
      settle(new AmbitError('STOPPING', 'the node agent is being stopped', { retryable: false }));
      return undefined;
    }
    try {
      if (worker.isGone || isTerminal(enrolment.pod)) {
        await enrolment.forget();
        if (worker.isGone) this.#workers.delete(uidOf(enrolment.pod));
      } else if (this.#wants(enrolment.pod)) {
        await enrolment.enrol(isStarting);
        settle(undefined);
        await enrolment.announce();
      } else if ((await enrolment.release()) === 'waiting') {
        settle(undefined);
        return RELEASE_POLL_MS;
      }
      worker.backoff.reset();
      settle(undefined);
      return undefined;
    } catch (cause) {
      const error = toAmbitError(cause);
      const retryMs = worker.backoff.nextMs();
      this.#options.onEvent({ kind: 'failed', pod: enrolment.pod, error, retryMs });
      settle(error);
      return retryMs;
    }
  }

  #verifyLater(): void {
    this.#verifyTimer = this.#options.clock.after(this.#options.verifyIntervalMs, () => {
      for (const worker of this.#workers.values())
        if (!worker.isRunning && (worker.enrolment.stage === 'enrolled' || this.#wants(worker.enrolment.pod)))
          this.#kick(worker);
      this.#verifyLater();
    });
  }
}

function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? '';
}
