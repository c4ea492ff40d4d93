import type { DesiredCondition } from './status-write.ts';

/** A waypoint did not take what was derived for a service; its last good version of it stays in force. */
export interface Refusal {
  /** Resource name of the Destination. */
  readonly key: string;
  /** `namespace/hostname`. */
  readonly service: string;
  /** `namespace/name`. */
  readonly gateway: string;
  /** As the proxy says it. */
  readonly reason: string;
}

/** Longest text of a condition. The API server takes 32 KiB; a reader does not. */
const maxMessage = 1024;

/** What the service's status says of it. */
export function refusalConditions(refusals: readonly Refusal[]): readonly DesiredCondition[] {
  if (refusals.length === 0) return [];
  const text = refusals.map(({ gateway, reason }) => `${gateway} refused what was derived: ${reason}`).join('; ');
  const message = `${text.slice(0, maxMessage)}; the last good version stays in force`;
  return [{ type: 'ambit.dev/WaypointConfigured', status: 'False', reason: 'Rejected', message }];
}
