/** Whether the agent that ends leaves its node for good. Pure. Spec: data-plane contract 4.4. */

/** What the API server said about the agent's own DaemonSet. */
export type DaemonSetView =
  | { readonly kind: 'present'; readonly object: unknown }
  /** `denied`: rights or account are gone. `unknown`: no answer. */
  | { readonly kind: 'absent' | 'denied' | 'unknown' };

/**
 * For good: the DaemonSet is gone or going, or we lost the right to ask that we had (an uninstallation removes both at the
 * same time). In doubt another agent follows, and pods of the mesh wait for it instead of starting outside.
 */
export function judgeLeaving(view: DaemonSetView, wasAllowed: boolean): boolean {
  switch (view.kind) {
    case 'absent':
      return true;
    case 'denied':
      return wasAllowed;
    case 'unknown':
      return false;
    case 'present':
      return isBeingDeleted(view.object);
  }
}

function isBeingDeleted(object: unknown): boolean {
  if (typeof object !== 'object' || object === null || !('metadata' in object)) return false;
  const { metadata } = object;
  return (
    typeof metadata === 'object' &&
    metadata !== null &&
    'deletionTimestamp' in metadata &&
    metadata.deletionTimestamp !== null
  );
}
