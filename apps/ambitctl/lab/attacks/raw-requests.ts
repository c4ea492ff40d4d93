/**
 * Sends bytes as they are, each text on a connection of its own, and prints what came back until the other side ended it. For
 * requests that no client library would make. Answers are cut at 64 KiB.
 */
import { connect } from 'node:net';
import { finish, readOrder } from './order.ts';

interface RawRequest {
  readonly host: string;
  readonly port: number;
  /** Latin-1. Sent in one piece. */
  readonly text: string;
  /** Ends its side after the text. */
  readonly isHalfClosed?: boolean;
}

interface Order {
  readonly requests: readonly RawRequest[];
  /** Connections at a time. */
  readonly concurrency: number;
  /** Without a byte from the other side. */
  readonly patienceMs: number;
}

interface RawAnswer {
  /** Latin-1. */
  readonly text: string;
  /** `end`, `silence`, or the code of an error. */
  readonly ending: string;
}

const maxAnswerBytes = 64 * 1024;
const order = await readOrder<Order>();
const answers: RawAnswer[] = [];
let next = 0;

async function work(): Promise<void> {
  for (let at = next++; at < order.requests.length; at = next++) {
    const request = order.requests[at];
    if (request !== undefined) answers[at] = await exchange(request);
  }
}

function exchange({ host, port, text, isHalfClosed = false }: RawRequest): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<RawAnswer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const socket = connect({ host, port, timeout: order.patienceMs });
  const settle = (ending: string): void => {
    socket.destroy();
    resolve({ text: Buffer.concat(chunks).toString('latin1'), ending });
  };
  socket.on('connect', () => {
    const content = Buffer.from(text, 'latin1');
    if (isHalfClosed) socket.end(content);
    else socket.write(content);
  });
  socket.on('data', (chunk: Buffer) => {
    if (bytes < maxAnswerBytes) chunks.push(chunk);
    bytes += chunk.length;
  });
  socket.on('end', () => settle('end'));
  socket.on('timeout', () => settle('silence'));
  socket.on('error', (error: Error & { readonly code?: string }) => settle(error.code ?? error.message));
  return promise;
}

await Promise.all(Array.from({ length: order.concurrency }, work));
finish(answers);
