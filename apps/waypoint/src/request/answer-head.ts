/** Heads of answers: what the proxy changes on those of backends, and its own. Spec: contract l7 5.2, 6.3. */
import { FieldList, type ResponseHead } from '@ambit/exchange';
import { grpcStatusCode, grpcStatusOfHttp, statusText } from '@ambit/grpc';

import type { LocalReply } from './local-reply.ts';

/** Server, date, and what was found out about the request on its way. */
export interface AnswerFacts {
  /** Undefined leaves the backend's. */
  readonly serverHeader: string | undefined;
  readonly wallTimeMs: number;
  /** CORS, session cookie, what an authorisation service adds. */
  readonly addedHeaders: readonly (readonly [name: string, value: string])[];
}

/** For every answer, last of all. */
export function finishAnswer(fields: FieldList, facts: AnswerFacts): void {
  for (const [name, value] of facts.addedHeaders) {
    if (name !== 'set-cookie') fields.remove(name);
    fields.addChecked(name, value);
  }
  if (facts.serverHeader !== undefined) fields.set('server', facts.serverHeader);
  if (!fields.has('date')) fields.add('date', httpDate(facts.wallTimeMs));
}

/** Head and body of a local reply. gRPC clients get HTTP 200 and the status where they look for it. */
export function localAnswer(
  reply: LocalReply,
  isGrpc: boolean,
): { readonly head: ResponseHead; readonly body: Uint8Array | undefined; readonly grpcStatus: number | undefined } {
  const fields = new FieldList();
  for (const [name, value] of reply.headers) fields.addChecked(name, value);
  if (isGrpc) {
    const grpcStatus = reply.grpcStatus ?? grpcStatusCode(grpcStatusOfHttp(reply.status));
    fields.set('content-type', 'application/grpc');
    fields.set('grpc-status', String(grpcStatus));
    const text = typeof reply.body === 'string' ? reply.body : Buffer.from(reply.body).toString('utf8');
    if (text !== '') fields.set('grpc-message', statusText(text));
    return { head: { status: 200, fields, contentLength: undefined }, body: undefined, grpcStatus };
  }
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body, 'utf8') : reply.body;
  const hasBody = body.length > 0 && mayHaveBody(reply.status);
  if (hasBody && !fields.has('content-type')) fields.set('content-type', 'text/plain');
  const contentLength = mayHaveBody(reply.status) ? body.length : undefined;
  return {
    head: { status: reply.status, fields, contentLength },
    body: hasBody ? body : undefined,
    grpcStatus: undefined,
  };
}

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

let dateSec = -1;
let dateText = '';

/** Made once a second. */
function httpDate(wallTimeMs: number): string {
  const nowSec = Math.floor(wallTimeMs / 1000);
  if (nowSec !== dateSec) {
    dateSec = nowSec;
    dateText = new Date(nowSec * 1000).toUTCString();
  }
  return dateText;
}
