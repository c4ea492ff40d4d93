/** Asks a pod's 15008 for tunnels, one after the other on one connection; prints what came back. */
import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { once } from 'node:events';
import { connectTls, finish, nameOfError, readOrder, type TunnelOrder } from './order.ts';

interface Request {
  readonly method: string;
  readonly authority: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent through the tunnel when there is one; what comes back is read up to its end. */
  readonly body?: string;
}

interface Order extends TunnelOrder {
  readonly requests: readonly Request[];
}

interface Answer {
  readonly status?: number;
  readonly body?: string;
  readonly error?: string;
}

const PATIENCE_MS = 8_000;
const order = await readOrder<Order>();
const answers: Answer[] = [];
let peer = '';
let hasHandshake = false;
let settle = (_failure: string | undefined): void => {};
const failed = new Promise<string | undefined>((resolve) => {
  settle = resolve;
});
setTimeout(() => settle('no end'), PATIENCE_MS * Math.max(1, order.requests.length)).unref();

const socket = connectTls(order);
socket.on('error', (error) => settle(nameOfError(error)));
socket.on('close', () => settle('closed without a word'));
socket.on('secureConnect', () => {
  hasHandshake = true;
  peer = socket.getPeerCertificate().subjectaltname ?? '';
  const session = connectHttp2(`https://${order.host}:${order.port}`, { createConnection: () => socket });
  session.on('error', (error) => settle(nameOfError(error)));
  void askAll(session).then(
    () => settle(undefined),
    (error: unknown) => settle(error instanceof Error ? nameOfError(error) : String(error)),
  );
});
const error = await failed;
finish({ hasHandshake, peer, answers, ...(error === undefined ? {} : { error }) });

async function askAll(session: ClientHttp2Session): Promise<void> {
  // An alert against our certificate comes after our side of the handshake is done, with the first answer.
  await once(session, 'remoteSettings');
  for (const request of order.requests) answers.push(await ask(session, request));
  session.close();
}

function ask(session: ClientHttp2Session, { method, authority, headers = {}, body }: Request): Promise<Answer> {
  return new Promise((resolve) => {
    const path = method === 'CONNECT' ? {} : { ':path': '/', ':scheme': 'https' };
    const stream = session.request(
      { ...headers, ':method': method, ':authority': authority, ...path },
      { endStream: false },
    );
    let status: number | undefined;
    let text = '';
    stream.setTimeout(PATIENCE_MS, () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on('error', (cause) => resolve({ error: nameOfError(cause) }));
    stream.on('response', (response) => {
      status = Number(response[':status']);
      if (status === 200 && body !== undefined) stream.end(body);
      else stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on('close', () =>
      resolve({
        ...(status === undefined ? { error: 'no answer' } : { status }),
        ...(text === '' ? {} : { body: text }),
      }),
    );
  });
}
