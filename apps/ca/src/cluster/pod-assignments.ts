/**
 * Where pods run, from the pods of the API server. A pod that was scheduled a moment ago may be asked for before the
 * watch brings it; then the API server is asked once, within a budget per node. While the watch is broken nothing it told
 * earlier is believed. Spec: control-plane contract 6.3 and trap 37.
 */
import { type SpiffeId, spiffeIdParts } from '@ambit/identity';
import { type KubeClient, type KubeError, Reflector, type ReflectorStatus, apiKinds, isPlainObject } from '@ambit/kube';
import { type Clock, toAmbitError } from '@ambit/runtime';
import { type NodeAssignments, type PodCaller, impersonationRefused } from '../callers/node-authorizer.ts';
import { NodeIndex } from './node-index.ts';
import { type PodPlace, readPodPlace } from './pod-place.ts';
import { RequestBudget } from './request-budget.ts';

/** What it works with. */
export interface PodAssignmentsOptions {
  readonly client: Pick<KubeClient, 'watch' | 'listPage' | 'getPath' | 'get' | 'list'>;
  readonly clock: Clock;
  readonly onError: (error: KubeError) => void;
}

/** Questions to the API server that one node may cause: at once, and in the long run. */
const BURST = 50;
const PER_SECOND = 10;

export class PodAssignments implements NodeAssignments {
  readonly #options: PodAssignmentsOptions;
  readonly #index = new NodeIndex();
  readonly #pods: Reflector<PodPlace | undefined>;
  readonly #budget: RequestBudget;
  #asked = 0;

  constructor(options: PodAssignmentsOptions) {
    this.#options = options;
    this.#budget = new RequestBudget(BURST, PER_SECOND, options.clock);
    this.#pods = new Reflector<PodPlace | undefined>({
      client: options.client,
      kind: apiKinds.Pod,
      read: readPodPlace,
      onChanges: (changes) => {
        for (const change of changes)
          this.#index.change(change.previous, change.kind === 'set' ? change.value : undefined);
      },
      onError: options.onError,
      clock: options.clock,
    });
  }

  /** Resolves when all pods are known. */
  get synced(): Promise<void> {
    return this.#pods.synced;
  }

  get status(): ReflectorStatus {
    return this.#pods.status;
  }

  /** Questions put to the API server because the watch did not know. */
  get asked(): number {
    return this.#asked;
  }

  /** Follows the pods until `signal` is aborted, with whose reason it rejects. */
  run(signal: AbortSignal): Promise<never> {
    return this.#pods.run(signal);
  }

  async nodeOf(caller: PodCaller): Promise<string> {
    const { namespace, serviceAccount } = spiffeIdParts(caller.identity);
    const { name, uid, node } = caller.pod;
    const known = this.#isCurrent() ? this.#pods.get(`${namespace}/${name}`) : undefined;
    const place = known?.uid === uid && known.node !== '' ? known : await this.#askForPod(namespace, name, node);
    if (place === undefined || place.uid !== uid) throw impersonationRefused("the caller's pod does not exist");
    if (place.serviceAccount !== serviceAccount)
      throw impersonationRefused("the caller's pod has another service account than its token");
    if (place.node === '') throw impersonationRefused("the caller's pod is on no node");
    // Where the API server tells the node of a token, both sources have to agree.
    if (node !== '' && node !== place.node) throw impersonationRefused("the caller's token is of another node");
    return place.node;
  }

  async hasPod(node: string, identity: SpiffeId): Promise<boolean> {
    const { namespace, serviceAccount } = spiffeIdParts(identity);
    if (this.#isCurrent() && this.#index.has(node, namespace, serviceAccount)) return true;
    const pods = await this.#ask(node, () =>
      this.#options.client.list(apiKinds.Pod, { namespace, fieldSelector: `spec.nodeName=${node}` }),
    );
    return pods.some((pod) => {
      const place = readPodPlace(pod);
      return place?.node === node && place.namespace === namespace && place.serviceAccount === serviceAccount;
    });
  }

  #isCurrent(): boolean {
    return this.#pods.status.state === 'watching';
  }

  async #askForPod(namespace: string, name: string, node: string): Promise<PodPlace | undefined> {
    const ref = { kind: apiKinds.Pod, namespace, name };
    const found = await this.#ask(node || `${namespace}/${name}`, () => this.#options.client.get(ref));
    return isPlainObject(found) ? readPodPlace(found) : undefined;
  }

  async #ask<T>(party: string, question: () => Promise<T>): Promise<T> {
    if (!this.#budget.take(party)) throw impersonationRefused(`too many questions about pods of ${party}; try again`);
    this.#asked += 1;
    try {
      return await question();
    } catch (cause) {
      throw impersonationRefused(`the API server cannot be asked about pods: ${toAmbitError(cause).message}`, cause);
    }
  }
}
