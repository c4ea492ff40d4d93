import type { Http1Head } from './http1-head.ts';

/** How the end of a body is found. `untilClose` exists in responses only. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'untilClose' };

const none: BodyFraming = { kind: 'none' };
const chunked: BodyFraming = { kind: 'chunked' };
const untilClose: BodyFraming = { kind: 'untilClose' };

/** Spec: RFC 9112 section 6.3; a request without framing fields has no body. */
export function requestFraming(head: Http1Head): BodyFraming {
  if (head.isChunked) return chunked;
  return head.contentLength === undefined || head.contentLength === 0
    ? none
    : { kind: 'length', bytes: head.contentLength };
}

/** `requestMethod`: of the request that is answered, as HEAD and CONNECT change the meaning of the head. */
export function responseFraming(head: Http1Head, requestMethod: string): BodyFraming {
  if (head.status < 200 || head.status === 204 || head.status === 304 || requestMethod === 'HEAD') return none;
  if (requestMethod === 'CONNECT' && head.status < 300) return none;
  if (head.isChunked) return chunked;
  if (head.contentLength === undefined) return untilClose;
  return head.contentLength === 0 ? none : { kind: 'length', bytes: head.contentLength };
}
