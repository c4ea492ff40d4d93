/** Runs a probe on nodes and reads what it has seen. Its pods are removed in any case. */
import { setTimeout as delay } from 'node:timers/promises';
import { apiKinds, KubeError, type KubeClient } from '@ambit/kube';
import { objectsAt, textAt } from '../cluster/read-fields.ts';
import type { NodeFacts } from './cluster-facts.ts';
import type { AgentPlan } from './mesh-plan.ts';
import { nodeProbePod } from './node-probe-pod.ts';
import { readNodeView, type NodeOutcome } from './node-view.ts';

/** At most so many nodes are looked at: of a large cluster one of each sort first. */
const MOST_NODES = 16;
const TIMEOUT_MS = 60_000;
const POLL_MS = 300;
/** Why a container waits whose image does not come. */
const PULL_REFUSALS: readonly string[] = ['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName'];

/** Nodes to look at: one of each sort, then others. */
export function nodesToProbe(nodes: readonly NodeFacts[], most: number = MOST_NODES): readonly NodeFacts[] {
  const linux = nodes.filter(({ system }) => system === 'linux');
  const sorts = new Map(linux.map((node) => [`${node.systemImage} ${node.kernel} ${node.runtime}`, node]));
  return [...new Set([...sorts.values(), ...linux])].slice(0, most);
}

/** Rejects with KubeError when pods cannot be made at all. */
export async function probeNodes(
  client: KubeClient,
  namespace: string,
  nodes: readonly NodeFacts[],
  plan: AgentPlan,
): Promise<readonly NodeOutcome[]> {
  return Promise.all(nodesToProbe(nodes).map((node) => probeNode(client, namespace, node.name, plan)));
}

async function probeNode(client: KubeClient, namespace: string, node: string, plan: AgentPlan): Promise<NodeOutcome> {
  const made = await client.create(apiKinds.Pod, nodeProbePod(namespace, node, plan));
  const ref = { kind: apiKinds.Pod, namespace, name: textAt(made, 'metadata', 'name') ?? '' };
  try {
    const deadline = Date.now() + TIMEOUT_MS;
    for (;;) {
      const pod = await client.get(ref);
      const outcome = judgePod(node, pod);
      if (outcome !== undefined) return outcome;
      if (Date.now() > deadline) return { kind: 'failed', node, reason: describeWait(pod) };
      await delay(POLL_MS);
    }
  } finally {
    await client.delete(ref).catch(ignoreGone);
  }
}

/** The outcome, if there is one already. */
export function judgePod(node: string, pod: unknown): NodeOutcome | undefined {
  if (pod === undefined) return { kind: 'failed', node, reason: 'somebody has removed the probe' };
  const [status] = objectsAt(pod, 'status', 'containerStatuses');
  const waiting = textAt(status, 'state', 'waiting', 'reason') ?? '';
  if (PULL_REFUSALS.includes(waiting)) {
    return { kind: 'no-image', node, reason: textAt(status, 'state', 'waiting', 'message') ?? waiting };
  }
  const phase = textAt(pod, 'status', 'phase');
  const message = textAt(status, 'state', 'terminated', 'message') ?? '';
  if (phase === 'Succeeded') {
    const view = readNodeView(message);
    return view === undefined ? { kind: 'failed', node, reason: 'it said nothing' } : { kind: 'seen', node, view };
  }
  if (phase === 'Failed') {
    const reason = textAt(pod, 'status', 'message') ?? textAt(status, 'state', 'terminated', 'reason') ?? 'unknown';
    return { kind: 'failed', node, reason };
  }
  return undefined;
}

function describeWait(pod: unknown): string {
  const [status] = objectsAt(pod, 'status', 'containerStatuses');
  const reason = textAt(status, 'state', 'waiting', 'message') ?? textAt(status, 'state', 'waiting', 'reason');
  return `not ready after ${TIMEOUT_MS / 1000} s: ${reason ?? textAt(pod, 'status', 'phase') ?? 'no status'}`;
}

function ignoreGone(cause: unknown): void {
  if (!(cause instanceof KubeError)) throw cause;
}
