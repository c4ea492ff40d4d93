/** Whether the agent that ends leaves its node for good. Pure. Spec: data-plane contract 4.4. */

/** What the API server said about an object. */
export type ObjectView =
  | { readonly kind: 'present'; readonly object: unknown }
  /** `denied`: rights or account are gone. `unknown`: no answer. */
  | { readonly kind: 'absent' | 'denied' | 'unknown' };

/**
 * For good: the DaemonSet is gone or going, or asks for nodes with other labels than ours has, or we lost the right to ask
 * that we had (an uninstallation removes both at the same time). In doubt another agent follows, and pods of the mesh wait
 * for it instead of starting outside.
 */
export function judgeLeaving(daemonSet: ObjectView, node: ObjectView, wasAllowed: boolean): boolean {
  switch (daemonSet.kind) {
    case 'absent':
      return true;
    case 'denied':
      return wasAllowed;
    case 'unknown':
      return false;
    case 'present':
      return isBeingDeleted(daemonSet.object) || (node.kind === 'present' && !selects(daemonSet.object, node.object));
  }
}

function isBeingDeleted(object: unknown): boolean {
  const timestamp = member(object, 'metadata', 'deletionTimestamp');
  return timestamp !== undefined && timestamp !== null;
}

/** By `nodeSelector`; affinities, which our chart does not set, count as satisfied. */
function selects(daemonSet: unknown, node: unknown): boolean {
  const wanted = member(daemonSet, 'spec', 'template', 'spec', 'nodeSelector');
  if (typeof wanted !== 'object' || wanted === null) return true;
  return Object.entries(wanted).every(([label, value]) => member(node, 'metadata', 'labels', label) === value);
}

function member(object: unknown, ...path: readonly string[]): unknown {
  let value = object;
  for (const key of path)
    value =
      typeof value === 'object' && value !== null
        ? new Map<string, unknown>(Object.entries(value)).get(key)
        : undefined;
  return value;
}
