/** What claims ask of a pod. Pure. */
import { E2eError } from '../e2e-error.ts';

export interface PodFacts {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly address: string;
  readonly phase: string;
  readonly isReady: boolean;
  readonly isHostNetwork: boolean;
  /** Of all containers. */
  readonly restarts: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Why it is not ready, as far as it says. */
  readonly state: string;
}

/** Set by the node agent once a pod's traffic is captured. Istio: `ambient.istio.io/redirection`. */
export const REDIRECTION = 'ambient.istio.io/redirection';

export function isEnrolled(pod: PodFacts): boolean {
  return pod.annotations[REDIRECTION] === 'enabled';
}

/** Reads `kubectl get pods -o json`; pods that are being deleted are left out. @throws E2eError `UNEXPECTED_ANSWER` */
export function readPods(text: string): readonly PodFacts[] {
  const list = record(JSON.parse(text));
  const items = list['items'];
  if (!Array.isArray(items)) throw new E2eError('UNEXPECTED_ANSWER', 'kubectl gave no list of pods');
  return items.map(record).flatMap((pod) => {
    const metadata = record(pod['metadata']);
    return metadata['deletionTimestamp'] === undefined ? [readPod(pod, metadata)] : [];
  });
}

function readPod(pod: Readonly<Record<string, unknown>>, metadata: Readonly<Record<string, unknown>>): PodFacts {
  const spec = record(pod['spec']);
  const status = record(pod['status']);
  const containers = [...records(status['initContainerStatuses']), ...records(status['containerStatuses'])];
  const conditions = records(status['conditions']);
  const waiting = containers.map((container) => record(record(container['state'])['waiting']));
  const phase = text(status['phase']);
  return {
    name: text(metadata['name']),
    uid: text(metadata['uid']),
    node: text(spec['nodeName']),
    address: text(status['podIP']),
    phase,
    isReady: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    isHostNetwork: spec['hostNetwork'] === true,
    restarts: containers.reduce((sum, { restartCount }) => sum + Number(restartCount ?? 0), 0),
    annotations: Object.fromEntries(
      Object.entries(record(metadata['annotations'])).map(([key, value]) => [key, text(value)]),
    ),
    state: [phase, ...waiting.map(({ reason, message }) => [reason, message].filter(Boolean).join(': '))]
      .filter(Boolean)
      .join(' '),
  };
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
