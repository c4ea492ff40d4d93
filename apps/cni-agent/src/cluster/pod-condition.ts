/** How the proof of a pod looks at the API server: a condition of the pod, and an event when it changes. Pure. */
import { type ApiKind, isPlainObject, type Pod } from '@ambit/kube';
import type { Verdict } from '../proof/judge-proof.ts';

/** True: proven not long before `lastProbeTime`. False: see reason. Absent: the pod is not in the mesh. */
export const ENFORCED_CONDITION = 'ambit.dev/Enforced';
export const CONDITION_MANAGER = 'ambit-cni-agent';
export const EVENT_KIND: ApiKind = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

const MAX_NOTE = 1_000;

type Json = Readonly<Record<string, unknown>>;

/** For server-side apply to `status`: exactly our condition; without a verdict none. */
export function conditionPatch(pod: Pod, verdict: Verdict | undefined, sinceWallMs: number, nowWallMs: number): Json {
  if (verdict === undefined) return noConditionPatch(pod.metadata.uid ?? '');
  return { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition(verdict, sinceWallMs, nowWallMs)] } };
}

/** The uid makes the server refuse when another pod has the name by now. */
export function noConditionPatch(uid: string): Json {
  return { metadata: { uid }, status: { conditions: [] } };
}

/** Whose condition it is, when an object of the API server is a pod with ours. */
export function conditionedPod(
  object: unknown,
): { readonly namespace: string; readonly name: string; readonly uid: string } | undefined {
  if (!isPlainObject(object) || !isPlainObject(object['metadata']) || !isPlainObject(object['status']))
    return undefined;
  const { namespace, name, uid } = object['metadata'];
  const { conditions } = object['status'];
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const isOurs = (one: unknown): boolean => isPlainObject(one) && one['type'] === ENFORCED_CONDITION;
  return Array.isArray(conditions) && conditions.some(isOurs) ? { namespace, name, uid } : undefined;
}

function condition(verdict: Verdict, sinceWallMs: number, nowWallMs: number): Json {
  return {
    type: ENFORCED_CONDITION,
    status: verdict.kind === 'enforced' ? 'True' : 'False',
    reason: verdict.kind === 'enforced' ? 'Proven' : verdict.reason,
    message: messageOf(verdict),
    lastProbeTime: second(nowWallMs),
    lastTransitionTime: second(sinceWallMs),
  };
}

export function eventOf(pod: Pod, verdict: Verdict, node: string, nowWallMs: number): Json {
  const { namespace, name, uid } = pod.metadata;
  const isEnforced = verdict.kind === 'enforced';
  return {
    metadata: { namespace, name: `${name.slice(0, 200)}.${nowWallMs.toString(16)}` },
    eventTime: new Date(nowWallMs).toISOString().replace('Z', '000Z'),
    type: isEnforced ? 'Normal' : 'Warning',
    reason: isEnforced ? 'Enforced' : verdict.reason,
    action: 'Prove',
    note: messageOf(verdict).slice(0, MAX_NOTE),
    reportingController: 'ambit.dev/cni-agent',
    reportingInstance: node.slice(0, 128),
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
  };
}

function messageOf(verdict: Verdict): string {
  if (verdict.kind === 'enforced') return verdict.message;
  return `${verdict.message} (${verdict.isExposed ? 'traffic may bypass the mesh' : 'no traffic bypasses the mesh'})`;
}

/** The API server's times have no fractions here. */
function second(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
