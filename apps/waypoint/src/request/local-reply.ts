/** Answers that the proxy makes itself, in the words of Envoy and Istio. Spec: contract l7 5.4, 4.3, 4.5. */
import { deniedText, type JwtRefusal, jwtRefusalDetails, jwtRefusalStatus, jwtRefusalText } from '@ambit/policy';

import type { ResponseFlag } from './request-record.ts';
import type { RequestView } from './request-view.ts';

type Headers = readonly (readonly [name: string, value: string])[];

export interface LocalReply {
  readonly status: number;
  /** Text, or bytes of a direct response. */
  readonly body: string | Uint8Array;
  readonly flag: ResponseFlag | undefined;
  readonly details: string;
  readonly headers: Headers;
  /** Where gRPC clients get another status than the one that goes with the HTTP status. */
  readonly grpcStatus: number | undefined;
}

interface ReplyExtras {
  readonly flag?: ResponseFlag | undefined;
  readonly headers?: Headers;
  readonly grpcStatus?: number | undefined;
}

const noHeaders: Headers = [];

export function localReply(
  status: number,
  body: string | Uint8Array,
  details: string,
  extras: ReplyExtras = {},
): LocalReply {
  const { flag, headers = noHeaders, grpcStatus } = extras;
  return { status, body, flag, details, headers, grpcStatus };
}

export const routeNotFound: LocalReply = localReply(404, '', 'route_not_found', { flag: 'NR' });
export const backendNotFound: LocalReply = localReply(503, '', 'cluster_not_found', { flag: 'NC' });
/** Gateway API: a rule without a backend that can be used. gRPC clients are told that it may get better. */
export const noUsableBackend: LocalReply = localReply(500, '', 'direct_response', { grpcStatus: 14 });
/** The share of a backend that cannot be used: 503 is Istio's for a host that is not known, 500 Gateway API's. */
export function failedShare(status: number): LocalReply {
  if (status === 503) return backendNotFound;
  return status === 500 ? noUsableBackend : localReply(status, '', 'direct_response');
}

export const noHealthyUpstream: LocalReply = localReply(503, 'no healthy upstream', 'no_healthy_upstream', {
  flag: 'UH',
});
export const requestTimedOut: LocalReply = localReply(504, 'upstream request timeout', 'response_timeout', {
  flag: 'UT',
});
/** The client's own deadline, from `grpc-timeout`. */
export const grpcDeadlinePassed: LocalReply = { ...requestTimedOut, grpcStatus: 4 };
export const attemptTimedOut: LocalReply = localReply(504, 'upstream request timeout', 'upstream_per_try_timeout', {
  flag: 'UT',
});
export const http10Refused: LocalReply = localReply(426, '', 'low_version');
/** A method in other letters than everybody knows it by. */
export const badMethod: LocalReply = localReply(400, 'Bad Request', 'http.invalid_method', { flag: 'DPE' });
export const upgradeRefused: LocalReply = localReply(403, '', 'upgrade_failed');
export const misdirectedRequest: LocalReply = localReply(421, '', 'misdirected_request');
export const bodyTooLarge: LocalReply = localReply(413, 'Payload Too Large', 'request_payload_too_large');
export const faultAborted = (status: number, grpcStatus: number | undefined): LocalReply =>
  localReply(status, 'fault filter abort', 'fault_filter_abort', { flag: 'FI', grpcStatus });

/** `isRequestComplete`: then it is the backend that was silent. */
export function streamIdle(isRequestComplete: boolean): LocalReply {
  return localReply(isRequestComplete ? 504 : 408, 'stream timeout', 'stream_idle_timeout', { flag: 'SI' });
}

export function badTarget(reason: string): LocalReply {
  return localReply(400, '', `path_normalization_failed{${reason.replaceAll(' ', '_')}}`);
}

export function redirectReply(status: number, location: string, details = 'direct_response'): LocalReply {
  return localReply(status, '', details, { headers: [['location', location]] });
}

/** `details`: those of the decision, with the policy's identity. */
export function policyDenied(details: string): LocalReply {
  return localReply(403, deniedText, details);
}

/** Longest realm: the URL is the client's text. */
const maxRealmChars = 256;

export function tokenRefused(refusal: JwtRefusal, view: RequestView): LocalReply {
  const realm = `${view.scheme}://${view.authority}${view.path}`.slice(0, maxRealmChars).replace(/["\\]/g, '');
  const error = refusal === 'missing' ? '' : ', error="invalid_token"';
  return localReply(jwtRefusalStatus(refusal), jwtRefusalText(refusal), jwtRefusalDetails(refusal), {
    headers: [['www-authenticate', `Bearer realm="${realm}"${error}`]],
  });
}
