import { hash } from 'node:crypto';

/** Name of an endpoint in tokens of sessions: tells nothing of its address, and is the same at every proxy. */
export function sessionTagOf(endpointId: string): string {
  return hash('sha256', endpointId, 'buffer').subarray(0, 12).toString('base64url');
}
