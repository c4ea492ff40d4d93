import type { ByteChannel } from '@ambit/net';

import type { ResponseHead } from '../message-head.ts';
import type { SentFraming } from './body-writer.ts';
import { headText } from './head-text.ts';
import { reasonPhrase, statusLine } from './reason-phrase.ts';

/** What the connection knows of the request that is answered. */
export interface AnsweredRequest {
  readonly method: string;
  readonly isHttp10: boolean;
  readonly upgrade: string | undefined;
}

/** How the body of this answer is framed. Spec: RFC 9112 section 6.3. */
export function answerFraming(request: AnsweredRequest, head: ResponseHead, isEnd: boolean): SentFraming {
  const { status } = head;
  if (status === 101 || (request.method === 'CONNECT' && status >= 200 && status < 300)) return 'raw';
  if (isEnd || request.method === 'HEAD' || status === 204 || status === 304) return 'none';
  if (head.contentLength !== undefined) return 'length';
  return request.isHttp10 ? 'untilClose' : 'chunked';
}

/** Sends the head of a final answer. */
export function sendResponseHead(
  channel: ByteChannel,
  request: AnsweredRequest,
  head: ResponseHead,
  framing: SentFraming,
  closes: boolean,
): boolean {
  headText.begin();
  headText.fixed(statusLine(head.status));
  headText.fields(head.fields);
  const { contentLength } = head;
  switch (framing) {
    case 'length':
      headText.field('content-length', String(contentLength ?? 0));
      break;
    case 'chunked':
      headText.fixed('transfer-encoding: chunked\r\n');
      break;
    case 'none':
      // Of HEAD and 304 the length of what a GET would bring; 204 has none.
      if (request.method === 'HEAD' || head.status === 304) {
        if (contentLength !== undefined) headText.field('content-length', String(contentLength));
      } else if (head.status !== 204) {
        headText.fixed('content-length: 0\r\n');
      }
      break;
    default:
  }
  if (head.status === 101) {
    headText.field('upgrade', head.upgrade ?? request.upgrade ?? '');
    headText.fixed('connection: upgrade\r\n');
  } else if (closes) {
    headText.fixed('connection: close\r\n');
  }
  headText.endLine();
  return headText.sendTo(channel);
}

export function sendInformational(channel: ByteChannel, head: ResponseHead): void {
  headText.begin();
  headText.fixed(statusLine(head.status));
  headText.fields(head.fields);
  headText.endLine();
  headText.sendTo(channel);
}

/** A whole answer of the connection itself, after which it closes. */
export function sendErrorAnswer(channel: ByteChannel, status: number): void {
  const body = reasonPhrase(status);
  headText.begin();
  headText.fixed(statusLine(status));
  headText.fixed('content-type: text/plain\r\nconnection: close\r\n');
  headText.field('content-length', String(body.length));
  headText.endLine();
  headText.text(body);
  headText.sendTo(channel);
}
