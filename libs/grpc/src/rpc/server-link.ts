/** The way to a server: looks up its addresses, connects to the first that answers, begins TLS, proves its name. */
import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import {
  type ByteChannel,
  EPOLLOUT,
  errnoName,
  type EventLoop,
  type Fd,
  io,
  secureSocket,
  socketChannel,
  type TlsContext,
  type TlsSession,
} from '@ambit/net';
import { authorityOf, type ServerAddress } from '../server-address.ts';

/** Where a connection leads, and what its end has to prove; immutable, so changed roots mean another one. */
export interface ServerRoute {
  readonly address: ServerAddress;
  /** Undefined: plaintext. */
  readonly tls: ServerTrust | undefined;
}

/** What a server has to prove. */
export interface ServerTrust {
  /** Its roots, and the own certificate if there is one; offers `h2`. */
  readonly context: TlsContext;
  /** The certificate is to be valid for one of these. */
  readonly names: readonly string[];
}

/** For one address when there is another. */
const NEXT_ADDRESS_MS = 2_000;
/** For the last one, and for a handshake. */
const CONNECT_MS = 20_000;

/** A connection in the making; disposing gives it up without telling. */
export class ServerLink implements Disposable {
  readonly #loop: EventLoop;
  readonly #route: ServerRoute;
  readonly #done: (outcome: ByteChannel | string) => void;
  #step: Disposable | undefined;
  #isGivenUp = false;

  /** `done` is called once, with a channel that is its own from then on, or with why there is none. */
  constructor(loop: EventLoop, route: ServerRoute, done: (outcome: ByteChannel | string) => void) {
    this.#loop = loop;
    this.#route = route;
    this.#done = done;
    // Never inside of the constructor.
    queueMicrotask(() => void this.#run());
  }

  [Symbol.dispose](): void {
    this.#isGivenUp = true;
    this.#step?.[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { host } = this.#route.address;
    let reason = `no address of ${host}`;
    try {
      const addresses = isIP(host) === 0 ? await lookup(host, { all: true }) : [{ address: host }];
      for (const [index, { address }] of addresses.entries()) {
        if (this.#isGivenUp) return;
        const outcome = await this.#reach(address, index < addresses.length - 1 ? NEXT_ADDRESS_MS : CONNECT_MS);
        if (typeof outcome === 'number') return this.#secure(outcome);
        reason = `${address}: ${outcome}`;
      }
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    this.#end(`cannot connect to ${authorityOf(this.#route.address)}: ${reason}`);
  }

  /** A connected socket, or why there is none. */
  #reach(address: string, timeoutMs: number): Promise<Fd | string> {
    const fd = io.tcpConnect({ address, port: this.#route.address.port });
    if (fd < 0) return Promise.resolve(errnoName(fd));
    const { promise, resolve } = Promise.withResolvers<Fd | string>();
    const loop = this.#loop;
    const giveUp = (reason: string): void => {
      loop.clearTimer(timer);
      loop.close(fd);
      resolve(reason);
    };
    const timer = loop.setTimer(timeoutMs, { onTimer: () => giveUp('timed out') });
    loop.add(fd, EPOLLOUT, {
      onEvents: () => {
        const error = io.socketError(fd);
        if (error !== 0) return giveUp(errnoName(error));
        loop.clearTimer(timer);
        loop.remove(fd);
        resolve(fd);
      },
    });
    this.#step = { [Symbol.dispose]: () => giveUp('given up') };
    return promise;
  }

  /** Throws NetError when no session can be made. */
  #secure(fd: Fd): void {
    this.#step = undefined;
    if (this.#isGivenUp) return void io.close(fd);
    const { tls, address } = this.#route;
    if (tls === undefined) return this.#end(socketChannel(this.#loop, fd));
    const server = authorityOf(address);
    const named = isIP(address.host) === 0 ? { serverName: address.host } : {};
    const options = { context: tls.context, role: 'client', timeoutMs: CONNECT_MS, ...named } as const;
    this.#step = secureSocket(this.#loop, fd, options, {
      onSecured: (channel, session) => {
        const problem = serverProblem(session, tls.names);
        if (problem === undefined) return this.#end(channel);
        channel.close();
        this.#end(`TLS with ${server}: ${problem}`);
      },
      onSecureFailed: (reason) => this.#end(`TLS with ${server}: ${reason}`),
    });
  }

  #end(outcome: ByteChannel | string): void {
    this.#step = undefined;
    if (!this.#isGivenUp) this.#done(outcome);
    else if (typeof outcome !== 'string') outcome.close();
  }
}

/** The chain is verified already. What a stranger's certificate holds must not end the process. */
function serverProblem(session: TlsSession, names: readonly string[]): string | undefined {
  try {
    if (io.tlsDescribe(session).alpn !== 'h2') return 'the server does not agree on HTTP/2 (ALPN)';
    const leaf = new X509Certificate(io.tlsPeerCertificate(session));
    if (names.some((name) => isOf(leaf, name))) return undefined;
    return `the server's certificate is not of ${names.join(' or ')}`;
  } catch {
    return "the server's certificate cannot be read";
  }
}

/** By alternative names only: a subject's common name proves nothing any more. */
function isOf(leaf: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return leaf.checkIP(name) !== undefined;
  return /^[A-Za-z0-9_.-]+$/.test(name) && leaf.checkHost(name, { subject: 'never' }) !== undefined;
}
