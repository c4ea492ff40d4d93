import type { Http1Head } from '@ambit/http';

import type { FieldList } from '../field-list.ts';
import type { RequestHead, ResponseHead } from '../message-head.ts';
import { receivedFields } from './received-fields.ts';

/** A request head with what only the connection needs to know of it. */
export interface ReceivedRequest {
  readonly head: RequestHead;
  readonly takesTrailers: boolean;
}

/** Reads a scanned request head. `scheme` of the connection; an absolute target's own is not believed. */
export function receivedRequest(head: Http1Head, scheme: string): ReceivedRequest {
  const start = head.methodFrom;
  const { text, fields, upgrade, takesTrailers } = receivedFields(head, start);
  const method = text.substring(0, head.methodTo - start);
  const target = text.substring(head.targetFrom - start, head.targetTo - start);
  const { hostIndex } = head;
  const host =
    hostIndex < 0
      ? ''
      : text.substring(head.fields.valueFrom(hostIndex) - start, head.fields.valueTo(hostIndex) - start);
  const hasBody = head.isChunked || (head.contentLength ?? 0) > 0;
  const place = placeOf(method, target, host);
  return {
    takesTrailers,
    head: {
      method,
      scheme,
      authority: place.authority,
      target: place.target,
      fields,
      protocol: head.minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0',
      contentLength: head.isChunked ? undefined : (head.contentLength ?? 0),
      hasBody,
      // A server may ignore Upgrade, and has to ignore h2c. Spec: RFC 9110 section 7.8, RFC 9113 section 3.1.
      upgrade:
        upgrade === undefined || hasBody || head.minorVersion === 0 || /^h2c?$/i.test(upgrade) ? undefined : upgrade,
      expectsContinue: head.expectsContinue && hasBody && head.minorVersion === 1,
    },
  };
}

export function receivedResponse(head: Http1Head): ResponseHead {
  const { fields, upgrade } = receivedFields(head, head.fields.nameFrom(0));
  return { status: head.status, fields, contentLength: head.isChunked ? undefined : head.contentLength, upgrade };
}

/** Trailers without fields of the connection; undefined if none are left. */
export function receivedTrailers(head: Http1Head | undefined): FieldList | undefined {
  if (head === undefined) return undefined;
  const { fields } = receivedFields(head, head.fields.nameFrom(0));
  fields.remove('te');
  return fields.length === 0 ? undefined : fields;
}

/** Takes absolute targets apart, whose authority wins over Host. Spec: RFC 9112 section 3.2. */
function placeOf(
  method: string,
  target: string,
  host: string,
): { readonly authority: string; readonly target: string } {
  if (target.charCodeAt(0) === 0x2f || target === '*') return { authority: host, target };
  if (method === 'CONNECT') return { authority: target, target: '' };
  const from = target.indexOf('//') + 2;
  let end = from;
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end += 1;
  const rest = target.slice(end);
  const authority = target.slice(from, end);
  if (rest === '') return { authority, target: method === 'OPTIONS' ? '*' : '/' };
  return { authority, target: rest.startsWith('?') ? `/${rest}` : rest };
}
