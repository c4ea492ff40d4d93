/** A TLS session of the io layer driven by watchFd, so that it can talk to node:tls in one process. */
import { EPOLLIN } from '../epoll-events.ts';
import { io, type Fd } from '../io.ts';
import { TLS_WANT_READ, type TlsContext, type TlsDescription } from '../tls.ts';
import { watchFd } from '../watch-fd.ts';

export interface TlsResult {
  /** What a finished handshake agreed on. */
  readonly agreed?: TlsDescription;
  readonly uriSans?: readonly string[];
  readonly error?: string;
}

/**
 * Does the handshake and, after it, echoes upper case until the peer ends. Resolves with the failure, or what was agreed
 * once the peer has ended. Frees the session and closes the descriptor.
 */
export function echoOverTls(context: TlsContext, fd: Fd, role: 'client' | 'server', opening = ''): Promise<TlsResult> {
  const session = io.tlsSession(context, fd, role);
  const buffer = Buffer.alloc(4096);
  let result: TlsResult | undefined;
  return new Promise((resolve) => {
    const finish = (end: TlsResult) => {
      watch[Symbol.dispose]();
      io.tlsFree(session);
      io.close(fd);
      resolve(end);
    };
    const step = () => {
      if (result === undefined) {
        const rc = io.tlsHandshake(session);
        if (rc === TLS_WANT_READ) return;
        if (rc < 0) return finish({ error: io.tlsError() });
        result = { agreed: io.tlsDescribe(session), uriSans: io.tlsPeerUriSans(session) };
        if (opening !== '') io.tlsWrite(session, Buffer.from(opening), 0, opening.length);
        io.tlsFlush(session);
      }
      for (;;) {
        const n = io.tlsRead(session, buffer, 0, buffer.length);
        if (n === TLS_WANT_READ) return;
        if (n < 0) return finish({ ...result, error: io.tlsError() });
        if (n === 0) {
          io.tlsShutdown(session);
          return finish(result);
        }
        if (role === 'server') {
          const answer = Buffer.from(buffer.toString('latin1', 0, n).toUpperCase());
          io.tlsWrite(session, answer, 0, answer.length);
          io.tlsFlush(session);
        }
      }
    };
    const watch = watchFd(fd, EPOLLIN, step);
    step();
  });
}
