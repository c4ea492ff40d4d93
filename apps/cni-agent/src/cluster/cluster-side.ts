/** Pods of this node from the API server; annotations, conditions and events go back to it. */
import { delay, systemClock } from '@ambit/runtime';
import {
  ApiServerSource,
  apiKinds,
  clusterAccess,
  type ClusterAccessOptions,
  KubeClient,
  KubeError,
  type ApiKind,
  type ObjectRef,
  type Pod,
} from '@ambit/kube';
import type { Logger } from '@ambit/telemetry';
import { Gate } from '../enrolment/gate.ts';
import { REDIRECTION_ANNOTATION, type Redirection } from '../pods/eligibility.ts';
import type { Verdict } from '../proof/judge-proof.ts';
import type { MeshSide } from './mesh-side.ts';
import { judgeLeaving, type ObjectView } from './leaving.ts';
import { withoutTaint } from './node-taint.ts';
import { CONDITION_MANAGER, conditionedPod, noConditionPatch } from './pod-condition.ts';
import { isOfAnotherPod, ProofWriter } from './proof-writer.ts';

export interface ClusterSideOptions {
  readonly nodeName: string;
  /** Namespace and name of the agent's own DaemonSet. */
  readonly namespace: string;
  readonly daemonSet: string;
  /** Key of the taint that is taken off the node when the agent is ready; empty: none. */
  readonly taint: string;
  /** How to reach the API server, when not by the service account of the pod. */
  readonly access: ClusterAccessOptions;
  readonly log: Logger;
}

const DAEMON_SET: ApiKind = { group: 'apps', version: 'v1', kind: 'DaemonSet', plural: 'daemonsets', namespaced: true };
const WRITES_PER_SECOND = 5;
const PARALLEL_WRITES = 8;
const LEAVING_DEADLINE_MS = 5_000;
const TAINT_RETRY_MS = 1_000;

export class ClusterSide implements MeshSide {
  readonly source: ApiServerSource;
  readonly trustsAnnotations = false;
  readonly #options: ClusterSideOptions;
  readonly #client: KubeClient;
  readonly #writer: ProofWriter;
  /** Whether we were ever allowed to read our own DaemonSet. */
  #hasSeenDaemonSet = false;

  private constructor(options: ClusterSideOptions, client: KubeClient) {
    this.#options = options;
    this.#client = client;
    const { log, nodeName } = options;
    this.source = new ApiServerSource({
      client,
      kinds: [{ kind: 'Pod', fieldSelector: `spec.nodeName=${nodeName}` }, 'Namespace'],
      log,
    });
    this.#writer = new ProofWriter({
      client,
      node: nodeName,
      clock: systemClock,
      writesPerSecond: WRITES_PER_SECOND,
      onError: ({ metadata }, error) =>
        log.warn({ pod: `${metadata.namespace}/${metadata.name}`, error: error.message }, 'condition not written yet'),
    });
  }

  /** @throws KubeError when neither a kubeconfig nor a service account is there. */
  static async open(options: ClusterSideOptions): Promise<ClusterSide> {
    const client = new KubeClient(await clusterAccess(options.access), { userAgent: 'ambit-cni-agent' });
    return new ClusterSide(options, client);
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.source.start({ signal });
    this.#hasSeenDaemonSet = (await this.#daemonSet()).kind === 'present';
  }

  /** The API server tells by itself. */
  refresh(): void {}

  async annotate(pod: Pod, redirection: Redirection | undefined): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const patch = { metadata: { uid, annotations: { [REDIRECTION_ANNOTATION]: redirection ?? null } } };
    try {
      await this.#client.patch({ kind: apiKinds.Pod, namespace, name }, patch, { subresource: 'status' });
    } catch (cause) {
      if (isOfAnotherPod(cause)) return;
      throw cause;
    }
  }

  report(pod: Pod, verdict: Verdict, sinceWallMs: number): void {
    this.#writer.put(pod, verdict, sinceWallMs);
  }

  retract(pod: Pod): void {
    this.#writer.put(pod, undefined, 0);
  }

  async clearReports(keeps: (podUid: string) => boolean): Promise<void> {
    const { nodeName } = this.#options;
    this.#writer.drop(keeps);
    const pods = await this.#client.list(apiKinds.Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    const gate = new Gate(PARALLEL_WRITES);
    await Promise.all(
      pods.flatMap((pod) => {
        const stale = conditionedPod(pod);
        if (stale === undefined || keeps(stale.uid)) return [];
        const { namespace, name, uid } = stale;
        const write = (): Promise<unknown> =>
          this.#client.apply({ kind: apiKinds.Pod, namespace, name }, noConditionPatch(uid), {
            fieldManager: CONDITION_MANAGER,
            force: true,
            subresource: 'status',
          });
        return [gate.run(write).catch((cause: unknown) => (isOfAnotherPod(cause) ? undefined : Promise.reject(cause)))];
      }),
    );
  }

  /** Retries until the taint is gone: no pod comes to the node before. */
  async onReady(signal: AbortSignal): Promise<void> {
    const { taint, nodeName, log } = this.#options;
    if (taint === '') return;
    for (;;) {
      try {
        const node = await this.#client.get({ kind: apiKinds.Node, name: nodeName }, { signal });
        const patch = withoutTaint(node, taint);
        if (patch !== undefined) {
          await this.#client.patch({ kind: apiKinds.Node, name: nodeName }, patch, { signal });
          log.info({ taint }, 'the node may take pods now');
        }
        return;
      } catch (cause) {
        signal.throwIfAborted();
        log.warn({ taint, error: String(cause) }, 'the taint of the node is not removed yet');
      }
      await delay(TAINT_RETRY_MS, { signal });
    }
  }

  async isLeaving(): Promise<boolean> {
    const [daemonSet, node] = await Promise.all([
      this.#daemonSet(),
      this.#view({ kind: apiKinds.Node, name: this.#options.nodeName }),
    ]);
    return judgeLeaving(daemonSet, node, this.#hasSeenDaemonSet);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer[Symbol.dispose]();
    await this.source[Symbol.asyncDispose]();
    this.#client.close();
  }

  #daemonSet(): Promise<ObjectView> {
    const { namespace, daemonSet } = this.#options;
    return this.#view({ kind: DAEMON_SET, namespace, name: daemonSet });
  }

  async #view(ref: ObjectRef): Promise<ObjectView> {
    try {
      const signal = AbortSignal.timeout(LEAVING_DEADLINE_MS);
      const object = await this.#client.get(ref, { signal });
      return object === undefined ? { kind: 'absent' } : { kind: 'present', object };
    } catch (cause) {
      const isDenied = cause instanceof KubeError && (cause.code === 'UNAUTHORIZED' || cause.code === 'FORBIDDEN');
      return { kind: isDenied ? 'denied' : 'unknown' };
    }
  }
}
