/** TCP connections into namespaces of the lab, made from this process. */
import { once } from 'node:events';
import { request } from 'node:http';
import { Socket } from 'node:net';
import { checked, EPOLLOUT, io, watchFd } from '@ambit/net';

/**
 * Connects from inside a namespace. The socket is the caller's.
 * @throws NetError when it is refused; the signal's reason when it takes too long.
 */
export async function connectInNamespace(
  netnsPath: string,
  address: string,
  port: number,
  { signal }: { readonly signal: AbortSignal },
): Promise<Socket> {
  signal.throwIfAborted();
  const netnsFd = io.openNetns(netnsPath);
  let fd: number;
  try {
    fd = checked('connect', io.tcpConnect({ netnsFd, address, port }));
  } finally {
    io.close(netnsFd);
  }
  try {
    await writable(fd, signal);
    checked('connect', -Math.abs(io.socketError(fd)));
  } catch (cause) {
    io.close(fd);
    throw cause;
  }
  return new Socket({ fd, allowHalfOpen: true });
}

function writable(fd: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      watch[Symbol.dispose]();
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      finish();
      reject(signal.reason);
    };
    const watch = watchFd(fd, EPOLLOUT, () => {
      finish();
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** One HTTP request from inside a namespace. @throws what the connection failed with. */
export async function httpInNamespace(
  netnsPath: string,
  address: string,
  port: number,
  path: string,
  { signal, method = 'GET' }: { readonly signal: AbortSignal; readonly method?: string },
): Promise<HttpAnswer> {
  const socket = await connectInNamespace(netnsPath, address, port, { signal });
  try {
    const call = request({
      createConnection: () => socket,
      host: 'localhost',
      path,
      method,
      headers: { connection: 'close' },
      signal,
    }).end();
    const [response] = await once(call, 'response', { signal });
    let body = '';
    response.setEncoding('utf8');
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode ?? 0, body };
  } finally {
    socket.destroy();
  }
}
