import type { ByteChannel } from '@ambit/net';

import type { RequestHead } from '../message-head.ts';
import { sendableTarget } from '../sendable.ts';
import type { SentFraming } from './body-writer.ts';
import { headText } from './head-text.ts';

/** Methods whose requests say that they have no body, as servers expect one. Spec: RFC 9110 section 8.6. */
const bodyMethods: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** How the body of this request is framed. */
export function requestBodyFraming(head: RequestHead, isEnd: boolean): SentFraming {
  if (head.upgrade !== undefined || head.method === 'CONNECT') return 'raw';
  if (isEnd) return 'none';
  return head.contentLength === undefined ? 'chunked' : 'length';
}

export function sendRequestHead(channel: ByteChannel, head: RequestHead, framing: SentFraming): boolean {
  const isConnect = head.method === 'CONNECT';
  headText.begin();
  headText.text(head.method);
  headText.fixed(' ');
  headText.text(isConnect ? head.authority : sendableTarget(head.target));
  headText.fixed(' HTTP/1.1\r\nhost: ');
  headText.text(head.authority);
  headText.endLine();
  headText.fields(head.fields);
  switch (framing) {
    case 'length':
      headText.field('content-length', String(head.contentLength ?? 0));
      break;
    case 'chunked':
      headText.fixed('transfer-encoding: chunked\r\n');
      break;
    case 'none':
      if (bodyMethods.has(head.method)) headText.fixed('content-length: 0\r\n');
      break;
    default:
  }
  if (head.expectsContinue && framing !== 'none') headText.fixed('expect: 100-continue\r\n');
  if (head.upgrade !== undefined) {
    headText.field('upgrade', head.upgrade);
    headText.fixed('connection: upgrade\r\n');
  } else if (head.fields.get('te') === 'trailers') {
    headText.fixed('connection: te\r\n');
  }
  headText.endLine();
  return headText.sendTo(channel);
}
