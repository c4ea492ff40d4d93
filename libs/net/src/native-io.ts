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
  accept(fd: number): number;
  socketError(fd: number): number;
  socketName(fd: number, which: 0 | 1 | 2, out: Uint8Array): number;
  socketOption(fd: number, option: number, value: number): number;
  setKeepalive(fd: number, idleSec: number, intervalSec: number, probes: number): number;
  resetOnClose(fd: number): number;
  openNetns(path: string): number;
  netnsId(fd: number): string | undefined;
  raiseFileLimit(): number;
  read(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  write(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  readvSpans(fd: number, slab: Uint8Array, spans: Int32Array, count: number): number;
  writevSpans(fd: number, slab: Uint8Array, spans: Int32Array, count: number): number;
  readv(fd: number, buffers: readonly Uint8Array[]): number;
  writev(fd: number, buffers: readonly Uint8Array[]): number;
  shutdownWrite(fd: number): number;
  close(fd: number): number;
  epollCreate(): number;
  epollControl(epollFd: number, operation: 1 | 2 | 3, fd: number, events: number, tag: number): number;
  epollWait(epollFd: number, out: Int32Array, timeoutMs: number): number;
  eventfd(): number;
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
  ): TlsContext | undefined;
  tlsError(): string;
  tlsSession(context: TlsContext, fd: number, role: 1 | 2): TlsSession;
  tlsHandshake(session: TlsSession): number;
  tlsRead(session: TlsSession, buffer: Uint8Array, offset: number, length: number): number;
  tlsWrite(session: TlsSession, buffer: Uint8Array, offset: number, length: number): number;
  tlsFlush(session: TlsSession): number;
  tlsPending(session: TlsSession): number;
  tlsShutdown(session: TlsSession): number;
  tlsFree(session: TlsSession): number;
  tlsFeed(session: TlsSession, bytes: Uint8Array, offset: number, length: number): number;
  tlsDrain(session: TlsSession, bytes: Uint8Array, offset: number, length: number): number;
  tlsPeerCertificate(session: TlsSession): Uint8Array | undefined;
  tlsPeerUriSans(session: TlsSession): string[];
  tlsDescribe(session: TlsSession): string | undefined;
}

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
    const override = process.env['AMBIT_NET_ADDON_DIR'];
    const places = [
      ...(override === undefined ? [] : [`${override}/io.node`]),
      fileURLToPath(new URL('./io.node', import.meta.url)),
      fileURLToPath(new URL(`../native/build/${libcOfProcess()}-${arch}/io.node`, import.meta.url)),
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
