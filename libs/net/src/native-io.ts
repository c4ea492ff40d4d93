/** Shape of the addon's exports and finding its file. Nothing else in the mesh talks to the addon directly. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { NetError } from './net-error.ts';
import type { TlsContext, TlsSession } from './tls.ts';

/** The calls as the C files define them. */
export interface NativeIo {
  bindSocket(
    type: 1 | 2,
    netnsFd: number,
    address: string,
    port: number,
    mark: number,
    flags: number,
    backlog: number,
  ): number;
  connectSocket(
    netnsFd: number,
    address: string,
    port: number,
    mark: number,
    source: string,
    noDelay: number,
    keepIdleSec: number,
    keepIntervalSec: number,
    keepProbes: number,
  ): number;
  /** A non-blocking connection; -EAGAIN when none waits. */
  accept(fd: number): number;
  /** SO_ERROR as 0 or -errno; reading clears it. */
  socketError(fd: number): number;
  socketName(fd: number, which: 0 | 1 | 2, out: Uint8Array): number;
  socketOption(fd: number, option: number, value: number): number;
  setKeepalive(fd: number, idleSec: number, intervalSec: number, probes: number): number;
  /** The next close sends RST (SO_LINGER 0). */
  resetOnClose(fd: number): number;
  openNetns(path: string): number;
  netnsId(fd: number): string | undefined;
  /** Raises the soft limit of open files to the hard one; returns it. */
  raiseFileLimit(): number;
  /**
   * Gives free pages of the C heap back to the kernel; 1 if there were any. Takes a few milliseconds at most for a heap of
   * tens of MiB, during which other threads that allocate wait.
   */
  trimHeap(): number;
  /**
   * Takes what is resident of Node's own file out of the process; KiB, or -errno. It stays in the page cache, and what is used
   * comes back page by page: for after the start, most of whose code never runs again. Takes a few milliseconds.
   */
  dropProgramPages(): number;
  read(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  write(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  /** Reads into parts of one buffer: `count` (at most 64) pairs of offset and length in `spans`. */
  readvSpans(fd: number, slab: Uint8Array, spans: Int32Array, count: number): number;
  /** Writes parts of one buffer, as `readvSpans`. */
  writevSpans(fd: number, slab: Uint8Array, spans: Int32Array, count: number): number;
  /** Reads into at most 64 whole buffers. */
  readv(fd: number, buffers: readonly Uint8Array[]): number;
  /** Writes at most 64 whole buffers. */
  writev(fd: number, buffers: readonly Uint8Array[]): number;
  /** Half-close: sends FIN. */
  shutdownWrite(fd: number): number;
  close(fd: number): number;
  epollCreate(): number;
  epollControl(epollFd: number, operation: 1 | 2 | 3, fd: number, events: number, tag: number): number;
  /** Fills triples (fd, tag, events); an interrupted wait is 0. */
  epollWait(epollFd: number, out: Int32Array, timeoutMs: number): number;
  eventfd(): number;
  /** May be called from any thread. */
  eventfdSignal(fd: number): number;
  eventfdClear(fd: number): number;
  seqpacketListen(path: string): number;
  seqpacketConnect(path: string): number;
  sendPacket(fd: number, bytes: Uint8Array, passFd: number): number;
  receivePacket(fd: number, buffer: Uint8Array, out: Int32Array): number;
  peerCredentials(fd: number, out: Int32Array): number;
  pollStart(fd: number, events: number, callback: (events: number) => void): object | number;
  pollStop(token: object): void;
  newTlsContext(
    chainPem: Uint8Array,
    keyPem: Uint8Array,
    rootsPem: Uint8Array,
    suites: string,
    groups: string,
    alpn: Uint8Array,
    requireClient: 0 | 1,
    flags: number,
    revocations: Uint8Array,
    oldSuites: string,
  ): TlsContext | undefined;
  /** Text of this thread's last TLS failure, for the log; read it before the next TLS call. */
  tlsError(): string;
  /** Replaces the revocation lists of this thread: how many, or -EINVAL with `tlsError` set and the old ones kept. */
  tlsRevocations(lists: Uint8Array): number;
  /**
   * 1 if the handshake failed, or would fail now, because a certificate of the peer's chain is revoked. `by`: by the lists of
   * this context, in place of the one that the session has.
   */
  tlsRevoked(session: TlsSession, by?: TlsContext): number;
  tlsSession(context: TlsContext, fd: number, role: 1 | 2): TlsSession;
  /** 0 done, TLS_WANT_READ, TLS_WANT_WRITE, or a failure (TLS_FAILED, -errno). Sends what it made. */
  tlsHandshake(session: TlsSession): number;
  /**
   * Bytes; 0 after close_notify; TLS_WANT_READ; or a failure, also for a stream cut without close_notify. Fewer bytes than
   * asked for: no more are there now. As many: read again, as epoll does not see what the session holds (`tlsPending`
   * tells). An end that stood behind the last bytes is told by the next call.
   */
  tlsRead(session: TlsSession, buffer: Uint8Array, offset: number, length: number): number;
  /** Bytes taken into the session's block (256 KiB), sent by `tlsFlush`; TLS_WANT_WRITE when block and socket are full. */
  tlsWrite(session: TlsSession, buffer: Uint8Array, offset: number, length: number): number;
  /** One write of all that waits. Bytes left: not 0 means wait for EPOLLOUT and flush again. -errno on failure. */
  tlsFlush(session: TlsSession): number;
  /** 1 if bytes or the end wait inside the session, of which epoll does not tell. */
  tlsPending(session: TlsSession): number;
  /** Sends close_notify; as `tlsFlush`. Reading stays possible. */
  tlsShutdown(session: TlsSession): number;
  /** Once. Does not close the descriptor and sends nothing. */
  tlsFree(session: TlsSession): number;
  /** Session without a socket: takes bytes of the peer, returns how many; length 0 is the end of its stream. */
  tlsFeed(session: TlsSession, bytes: Uint8Array, offset: number, length: number): number;
  /** Session without a socket: moves out bytes for the peer. */
  tlsDrain(session: TlsSession, bytes: Uint8Array, offset: number, length: number): number;
  tlsPeerCertificate(session: TlsSession): Uint8Array | undefined;
  /** URI names of the peer's leaf in order; empty without a leaf. */
  tlsPeerUriSans(session: TlsSession): string[];
  tlsDescribe(session: TlsSession): string | undefined;
  /** 1 if the peer gave a certificate whose chain ends at one of the roots. */
  tlsVerified(session: TlsSession): number;
  /** A client says which server it means; before the handshake. 0 or -EINVAL. */
  tlsServerName(session: TlsSession, name: string): number;
}

/** A condition nobody resolves by: `node` passes it on to test processes and workers, where an argument would be lost. */
const sanitizeFlag = '--conditions=ambit-sanitize';

/** `gnu` or `musl`, from the interpreter named at the start of the node binary. */
function libcOfProcess(): 'gnu' | 'musl' {
  const head = Buffer.alloc(4096);
  const fd = openSync('/proc/self/exe', 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  return head.includes('ld-musl-') ? 'musl' : 'gnu';
}

/**
 * Loads the addon: beside a bundled program first, then the build folder of this package. Returns the reason instead if
 * there is none, so that code which only parses addresses runs without it.
 */
export function loadNativeIo(): NativeIo | NetError {
  try {
    const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
    const build = `${libcOfProcess()}-${arch}${process.execArgv.includes(sanitizeFlag) ? '-sanitize' : ''}`;
    const places = [
      fileURLToPath(new URL('./io.node', import.meta.url)),
      fileURLToPath(new URL(`../native/build/${build}/io.node`, import.meta.url)),
    ];
    const place = places.find((path) => existsSync(path));
    if (place === undefined)
      return new NetError('ADDON_MISSING', 'io addon is not built: run "sh libs/net/native/build.sh"');
    const native: NativeIo = createRequire(import.meta.url)(place);
    return native;
  } catch (error) {
    return new NetError('ADDON_MISSING', 'io addon cannot be loaded', {}, error);
  }
}
