/**
 * Why a connection failed, and the one table from cause to response flag. Texts are those of Istio's ztunnel, which
 * operators search for. Spec: contract data-plane 7.2 and 7.3.
 */
import { errnoText, type HboneError, type HboneResponseFlag, hboneResponseFlags } from '@ambit/hbone';
import type { PodIdentity } from '../worker-protocol.ts';

/** Value of the `response_flags` label of a failed connection. */
export type ResponseFlag = HboneResponseFlag | 'DENY' | 'IDENTITY_ERROR';

/** A failed connection: the text of the log's `error` and the flag of the metrics. */
export interface Failure {
  readonly text: string;
  readonly flag: ResponseFlag;
}

export const closedByPolicyChange: Failure = {
  text: 'connection closed due to policy change',
  flag: 'DENY',
};

export const closedByDrain: Failure = {
  text: 'connection closed due to connection drain',
  flag: 'CONNECT',
};

export const drainTimedOut: Failure = {
  text: 'connection failed to drain within the timeout',
  flag: 'CONNECT',
};

/** Refused by a policy, with its words. */
export function policyRejection(reason: string): Failure {
  return { text: `connection closed due to policy rejection: ${reason}`, flag: 'DENY' };
}

/** The own certificate cannot be had. */
export function identityFailure(detail: string): Failure {
  return { text: `identity error: ${detail}`, flag: 'IDENTITY_ERROR' };
}

/** A TCP connect that failed; `errno` may have either sign. */
export function connectFailure(errno: number): Failure {
  return { text: `connection failed: ${errnoText(Math.abs(errno))}`, flag: 'CONNECT' };
}

/** A failure of any other kind. */
export function otherFailure(text: string): Failure {
  return { text, flag: 'CONNECT' };
}

/** A failure of a tunnel or of a copy. */
export function hboneFailure(error: HboneError): Failure {
  return { text: error.message, flag: hboneResponseFlags[error.code] };
}

/** Early denial: a connection that would come back to the mesh itself. */
export const selfCall = 'attempted recursive call to ourselves';

/** Early denial: the source has not finished the handshakes it began. */
export const tooManyHandshakes = 'tls handshake error: too many unfinished handshakes from this address';

/** Early denial: nothing is known of the pod that owns the listener. */
export function unknownWorkload({ name, namespace, serviceAccount }: PodIdentity): string {
  return `failed to fetch information about local workload: ${serviceAccount}.${namespace} (${name})`;
}
