/**
 * What the runtime told of new pods: where their namespace is and which addresses they got. The API server learns the
 * addresses only after the pod has started. Kept until the pod is forgotten; bounded.
 */
import type { Pod } from '@ambit/kube';
import type { NewPod } from '../cni-plugin-server.ts';

export type ToldPod = Pick<NewPod, 'uid' | 'netnsPath' | 'addresses'>;

/** Static pods are known to the runtime by this hash, and to the API server by the uid of their mirror. */
const STATIC_POD_HASH = 'kubernetes.io/config.hash';
/** Far above what a node can run; pods that never come up must not fill the memory. */
const MAX_TOLD = 4_096;

export class ToldPods {
  readonly #told = new Map<string, ToldPod>();

  tell(pod: NewPod): void {
    const key = `${pod.namespace}/${pod.name}`;
    this.#told.delete(key);
    this.#told.set(key, pod);
    const [oldest] = this.#told.keys();
    if (this.#told.size > MAX_TOLD && oldest !== undefined) this.#told.delete(oldest);
  }

  /** Undefined also when what was told is about another pod of the same name. */
  of(pod: Pod): ToldPod | undefined {
    const told = this.#told.get(keyOf(pod));
    return told !== undefined && isRuntimeUid(pod, told.uid) ? told : undefined;
  }

  forget(pod: Pod): void {
    if (this.of(pod)) this.#told.delete(keyOf(pod));
  }

  /** The pod with the addresses its newest sandbox got; its status still names none, or those of an older one. */
  complete(pod: Pod): Pod {
    const told = this.of(pod);
    return told === undefined || told.addresses.length === 0
      ? pod
      : { ...pod, status: { ...pod.status, podIPs: told.addresses } };
  }
}

/** Whether the runtime's uid means this pod; an empty one (Istio's plugin tells none) means whichever has the name. */
export function isRuntimeUid(pod: Pod, uid: string): boolean {
  return uid === '' || uid === pod.metadata.uid || uid === pod.metadata.annotations[STATIC_POD_HASH];
}

/** The uid in the names of the pod's cgroups. */
export function runtimeUidOf(pod: Pod): string {
  return pod.metadata.annotations[STATIC_POD_HASH] ?? pod.metadata.uid ?? '';
}

function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
