/**
 * Finds the network namespace of a pod: by what the runtime told (`/cmdadd`), by its processes, or by the annotation that
 * the lab's kubelet part writes. A namespace is only believed when it holds the pod's address and is not the node's own.
 */
import { join } from 'node:path';
import { NetError } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';
import type { Pod } from '@ambit/kube';
import type { NetnsLooker } from './netns-looker.ts';
import { PodNetns } from './pod-netns.ts';
import type { ProcessScan } from './process-scan.ts';
import { runtimeUidOf, type ToldPods } from './told-pods.ts';

/** Path of the pod's network namespace on this node. */
const NETNS_ANNOTATION = 'ambit.dev/netns';

/** ENOMEM, ENFILE, EMFILE. */
const EXHAUSTED: readonly number[] = [12, 23, 24];

export interface NetnsLocatorOptions {
  readonly looker: NetnsLooker;
  readonly told: ToldPods;
  /** Where the node's files are seen from here; empty when the agent runs on the node itself. */
  readonly hostRoot: string;
  /** Only where nobody but the node writes annotations. */
  readonly trustsAnnotation: boolean;
  /** Undefined: pods have no cgroups to be found by. */
  readonly processes: ProcessScan | undefined;
}

export class NetnsLocator {
  readonly #options: NetnsLocatorOptions;
  /** The agent's namespace and the node's, which are no pod's. */
  readonly #foreignIds: ReadonlySet<string>;
  /** Namespaces found to hold these addresses, by pod uid. */
  readonly #verified = new Map<string, string>();

  constructor(options: NetnsLocatorOptions) {
    this.#options = options;
    const paths = ['/proc/self/ns/net', ...(options.hostRoot === '' ? [] : [join(options.hostRoot, 'proc/1/ns/net')])];
    this.#foreignIds = new Set(
      paths.map((path) => {
        using netns = PodNetns.open(path);
        return netns.id;
      }),
    );
  }

  forget(pod: Pod): void {
    this.#options.told.forget(pod);
    this.#verified.delete(pod.metadata.uid ?? '');
  }

  /**
   * @param isStarting the pod has no process yet: only what the runtime told leads to its namespace
   * @returns undefined when there is no such namespace; else an open handle, which is the caller's.
   * @throws AmbitError `NETNS_NOT_THE_PODS` when the path leads to somebody else's namespace, `NETNS_UNREADABLE` when
   * this process cannot open any.
   */
  async locate(pod: Pod, isStarting: boolean): Promise<PodNetns | undefined> {
    const netns = this.#open(pod, isStarting);
    if (!netns) return undefined;
    try {
      await this.#verify(pod, netns);
    } catch (cause) {
      netns[Symbol.dispose]();
      throw cause;
    }
    return netns;
  }

  #open(pod: Pod, isStarting: boolean): PodNetns | undefined {
    const { told, hostRoot, trustsAnnotation, processes } = this.#options;
    const toldPath = told.of(pod)?.netnsPath;
    const ofRuntime = openIfPresent(toldPath === undefined ? undefined : `${hostRoot}${toldPath}`);
    if (isStarting) return ofRuntime;
    const annotated = trustsAnnotation ? pod.metadata.annotations[NETNS_ANNOTATION] : undefined;
    return ofRuntime ?? openIfPresent(annotated) ?? openIfPresent(processes?.netnsPath(runtimeUidOf(pod)));
  }

  async #verify(pod: Pod, netns: PodNetns): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    const claim = `${netns.id} ${pod.status.podIPs.join(' ')}`;
    if (this.#verified.get(uid) === claim) return;
    if (this.#foreignIds.has(netns.id)) throw notThePods(pod, 'it is the namespace of the node or of the agent');
    const { addresses } = await this.#options.looker.look(netns.enterPath);
    const missing = pod.status.podIPs.find((address) => !addresses.includes(address));
    if (missing !== undefined) throw notThePods(pod, `it does not hold ${missing}`);
    this.#verified.set(uid, claim);
  }
}

function openIfPresent(path: string | undefined): PodNetns | undefined {
  if (path === undefined) return undefined;
  try {
    return PodNetns.open(path);
  } catch (cause) {
    // That we have no descriptor left says nothing about the pod.
    if (cause instanceof NetError && EXHAUSTED.includes(Number(cause.details['errno'])))
      throw new AmbitError('NETNS_UNREADABLE', `${path} cannot be opened: ${cause.message}`, {
        cause,
        retryable: true,
      });
    return undefined;
  }
}

function notThePods(pod: Pod, reason: string): AmbitError {
  const { namespace, name } = pod.metadata;
  return new AmbitError(
    'NETNS_NOT_THE_PODS',
    `the network namespace given for ${namespace}/${name} is not the pod's: ${reason}`,
    { retryable: true },
  );
}
