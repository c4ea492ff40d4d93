/**
 * The io layer: sockets in network namespaces, bytes, descriptors over unix sockets, TLS sessions. No protocol, no
 * promises. Calls answer `>= 0` or `-errno` and do not throw, except the ones whose doc says so.
 */
import { AddressTexts } from './address-texts.ts';
import { ENOTCONN } from './errno.ts';
import { formatIp } from './ip-address.ts';
import { loadNativeIo, type NativeIo } from './native-io.ts';
import { checked, NetError } from './net-error.ts';
import type { SocketAddress } from './socket-address.ts';
import {
  type EdgeTlsOptions,
  encodeAlpn,
  meshCipherSuites,
  meshGroups,
  type TlsContext,
  type TlsContextOptions,
  type TlsDescription,
  type TlsSession,
} from './tls.ts';

/** A file descriptor. Whoever received it closes it. All are non-blocking and close-on-exec. */
export type Fd = number;

export interface TcpListenOptions {
  /** Namespace to live in; default the thread's own. */
  readonly netnsFd?: Fd;
  /** IP text; `::` with `dualStack` takes IPv4 as well. */
  readonly address: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** SO_MARK, set before bind. */
  readonly mark?: number;
  /** Best effort; ask `io.isTransparent`. */
  readonly transparent?: boolean;
  readonly reusePort?: boolean;
  /** Default 128. */
  readonly backlog?: number;
  readonly dualStack?: boolean;
}

export interface TcpConnectOptions {
  readonly netnsFd?: Fd;
  readonly address: string;
  readonly port: number;
  readonly mark?: number;
  /** Somebody else's address to come from; best effort: `io.localAddress` tells after connecting. Same family as `address`. */
  readonly sourceAddress?: string;
  /** Default true. */
  readonly noDelay?: boolean;
  readonly keepalive?: KeepaliveOptions;
}

export interface KeepaliveOptions {
  readonly idleSec: number;
  readonly intervalSec: number;
  readonly probes: number;
}

export interface UdpBindOptions {
  readonly netnsFd?: Fd;
  readonly address: string;
  readonly port: number;
  readonly mark?: number;
  readonly reusePort?: boolean;
}

/** A received packet. The descriptors are the receiver's to close. A zero length is the end of the connection. */
export interface ReceivedPacket {
  readonly length: number;
  readonly fds: readonly Fd[];
  /** The packet was longer than the buffer, or carried more than 8 descriptors. */
  readonly truncated: boolean;
}

/** Calls that go straight to the addon. */
type DirectCalls = Pick<
  NativeIo,
  | 'accept'
  | 'socketError'
  | 'setKeepalive'
  | 'resetOnClose'
  | 'raiseFileLimit'
  | 'trimHeap'
  | 'dropProgramPages'
  | 'read'
  | 'write'
  | 'readvSpans'
  | 'writevSpans'
  | 'readv'
  | 'writev'
  | 'shutdownWrite'
  | 'close'
  | 'epollCreate'
  | 'epollControl'
  | 'epollWait'
  | 'eventfd'
  | 'eventfdSignal'
  | 'eventfdClear'
  | 'seqpacketListen'
  | 'seqpacketConnect'
  | 'pollStart'
  | 'pollStop'
  | 'tlsError'
  | 'tlsHandshake'
  | 'tlsRevoked'
  | 'tlsRead'
  | 'tlsWrite'
  | 'tlsFlush'
  | 'tlsPending'
  | 'tlsShutdown'
  | 'tlsFree'
  | 'tlsFeed'
  | 'tlsDrain'
  | 'tlsPeerUriSans'
  | 'tlsVerified'
  | 'tlsServerName'
>;

export interface Io extends DirectCalls {
  /** Opens `/proc/<pid>/ns/net` or `/run/netns/<name>`. Throws NetError. */
  openNetns(path: string): Fd;
  /** `device:inode`: equal for two descriptors of one namespace. Throws NetError for a bad descriptor. */
  netnsId(fd: Fd): string;
  tcpListen(options: TcpListenOptions): Fd;
  /** Begins to connect; EPOLLOUT then `socketError` tell the outcome. */
  tcpConnect(options: TcpConnectOptions): Fd;
  udpBind(options: UdpBindOptions): Fd;
  /** Throws NetError for a bad descriptor. */
  localAddress(fd: Fd): SocketAddress;
  /** As `localAddress`; a connection that is gone already answers `0.0.0.0:0`. */
  peerAddress(fd: Fd): SocketAddress;
  /** The handshake of a connecting socket is over, and well. */
  isConnected(fd: Fd): boolean;
  /** Where a redirected connection was going; the local address if it was not redirected. */
  originalDestination(fd: Fd): SocketAddress;
  setNoDelay(fd: Fd, on: boolean): number;
  /** Current SO_MARK, or -errno. */
  mark(fd: Fd): number;
  isTransparent(fd: Fd): boolean;
  /** TCP_USER_TIMEOUT in milliseconds. */
  setUserTimeout(fd: Fd, timeoutMs: number): number;
  sendPacket(fd: Fd, bytes: Uint8Array, passFd?: Fd): number;
  receivePacket(fd: Fd, buffer: Uint8Array): ReceivedPacket | number;
  /** Process at the other end of a unix socket. Throws NetError. */
  peerCredentials(fd: Fd): { readonly pid: number; readonly uid: number; readonly gid: number };
  /** Throws NetError `TLS_CONTEXT` with the reason, without key material. */
  tlsContext(options: TlsContextOptions): TlsContext;
  /** As `tlsContext`, for one role. Throws NetError `TLS_CONTEXT`. */
  edgeTlsContext(options: EdgeTlsOptions, role: 'client' | 'server'): TlsContext;
  /**
   * Replaces the revocation lists of this thread: PEM with any number of them, one in DER, or nothing. Handshakes under way
   * are held to them; for sessions there are `tlsRevoked` tells. Returns their number. Throws NetError
   * `BAD_REVOCATION_LIST`; the old ones stay then.
   */
  tlsRevocations(lists: Uint8Array): number;
  /** Throws NetError when out of memory or sessions. The descriptor stays the caller's; close it after `tlsFree`. */
  tlsSession(context: TlsContext, fd: Fd, role: 'client' | 'server'): TlsSession;
  /** A session whose transport is bytes: `tlsFeed` what the peer sent, send what `tlsDrain` yields. */
  tlsMemorySession(context: TlsContext, role: 'client' | 'server'): TlsSession;
  /** DER of the peer's leaf, a fresh copy. Throws NetError if there is none. */
  tlsPeerCertificate(session: TlsSession): Uint8Array;
  /** After the handshake. */
  tlsDescribe(session: TlsSession): TlsDescription;
}

const noDelayOption = 0;
const markOption = 1;
const transparentOption = 2;
const transparentV6Option = 3;
const userTimeoutOption = 4;

function socketCalls(native: NativeIo) {
  const name = new Uint8Array(18);
  const texts = new AddressTexts();
  const addressOf = (call: string, fd: Fd, which: 0 | 1 | 2): SocketAddress => {
    const family = native.socketName(fd, which, name);
    if (family === -ENOTCONN) return { address: '0.0.0.0', port: 0 };
    checked(call, family);
    const address = family === 4 ? texts.textOf(name) : formatIp(name, 0, 16);
    return { address, port: ((name[16] ?? 0) << 8) | (name[17] ?? 0) };
  };
  return {
    openNetns: (path: string) => checked('openNetns', native.openNetns(path)),
    netnsId: (fd: Fd) => native.netnsId(fd) ?? raise('netnsId: bad descriptor'),
    tcpListen: (o: TcpListenOptions) => {
      const flags = (o.reusePort === true ? 1 : 0) | (o.dualStack === true ? 2 : 0) | (o.transparent === true ? 4 : 0);
      return native.bindSocket(1, o.netnsFd ?? -1, o.address, o.port, o.mark ?? 0, flags, o.backlog ?? 128);
    },
    udpBind: (o: UdpBindOptions) =>
      native.bindSocket(2, o.netnsFd ?? -1, o.address, o.port, o.mark ?? 0, o.reusePort === true ? 1 : 0, 0),
    tcpConnect: (o: TcpConnectOptions) => {
      const k = o.keepalive;
      const noDelay = o.noDelay === false ? 0 : 1;
      const source = o.sourceAddress ?? '';
      return native.connectSocket(
        o.netnsFd ?? -1,
        o.address,
        o.port,
        o.mark ?? 0,
        source,
        noDelay,
        k?.idleSec ?? 0,
        k?.intervalSec ?? 0,
        k?.probes ?? 0,
      );
    },
    localAddress: (fd: Fd) => addressOf('localAddress', fd, 0),
    peerAddress: (fd: Fd) => addressOf('peerAddress', fd, 1),
    isConnected: (fd: Fd) => native.socketName(fd, 1, name) > 0,
    originalDestination: (fd: Fd) => addressOf('originalDestination', fd, 2),
    setNoDelay: (fd: Fd, on: boolean) => native.socketOption(fd, noDelayOption, on ? 1 : 0),
    mark: (fd: Fd) => native.socketOption(fd, markOption, -1),
    isTransparent: (fd: Fd) =>
      native.socketOption(fd, transparentOption, -1) > 0 || native.socketOption(fd, transparentV6Option, -1) > 0,
    setUserTimeout: (fd: Fd, timeoutMs: number) => native.socketOption(fd, userTimeoutOption, timeoutMs),
  };
}

function packetCalls(native: NativeIo) {
  const out = new Int32Array(10);
  return {
    sendPacket: (fd: Fd, bytes: Uint8Array, passFd?: Fd) => native.sendPacket(fd, bytes, passFd ?? -1),
    receivePacket: (fd: Fd, buffer: Uint8Array): ReceivedPacket | number => {
      const length = native.receivePacket(fd, buffer, out);
      if (length < 0) return length;
      return { length, fds: [...out.subarray(2, 2 + (out[1] ?? 0))], truncated: out[0] === 1 };
    },
    peerCredentials: (fd: Fd) => {
      checked('peerCredentials', native.peerCredentials(fd, out));
      return { pid: out[0] ?? 0, uid: out[1] ?? 0, gid: out[2] ?? 0 };
    },
  };
}

/** Bits of a context, as in native/tls.h. */
const tls12Flag = 1;
const anonymousFlag = 2;
const unverifiedFlag = 4;
const optionalClientFlag = 8;
const revocationFlag = 16;

function edgeFlags(o: EdgeTlsOptions): number {
  return (
    (o.minVersion === '1.3' ? 0 : tls12Flag) |
    (o.certificate === undefined ? anonymousFlag : 0) |
    (o.skipsVerification === true ? unverifiedFlag : 0) |
    (o.clientCertificate === 'optional' ? optionalClientFlag : 0) |
    (o.checksRevocation === true ? revocationFlag : 0)
  );
}

function tlsCalls(native: NativeIo) {
  const newContext = (
    chainPem: string,
    keyPem: string,
    rootsPem: string,
    o: Pick<TlsContextOptions, 'cipherSuites' | 'groups' | 'alpn'>,
    requireClient: boolean,
    flags: number,
    revocationsPem = '',
    oldSuites: readonly string[] = [],
  ): TlsContext => {
    const key = Buffer.from(keyPem);
    const context = native.newTlsContext(
      Buffer.from(chainPem),
      key,
      Buffer.from(rootsPem),
      colonList(o.cipherSuites ?? meshCipherSuites),
      colonList(o.groups ?? meshGroups),
      encodeAlpn(o.alpn ?? ['h2']),
      requireClient ? 1 : 0,
      flags,
      Buffer.from(revocationsPem),
      oldSuites.join(':'),
    );
    key.fill(0);
    if (!context) throw new NetError('TLS_CONTEXT', `tls context: ${native.tlsError()}`);
    return context;
  };
  const session = (context: TlsContext, fd: Fd, role: 'client' | 'server'): TlsSession => {
    const handle = native.tlsSession(context, fd, role === 'server' ? 2 : 1);
    checked('tlsSession', handle);
    return handle;
  };
  return {
    tlsContext: (o: TlsContextOptions): TlsContext =>
      newContext(
        o.certificateChainPem,
        o.privateKeyPem,
        o.rootsPem,
        o,
        o.requireClientCertificate !== false,
        o.checksRevocation === true ? revocationFlag : 0,
      ),
    tlsRevocations: (lists: Uint8Array): number => {
      const count = native.tlsRevocations(lists);
      if (count < 0) throw new NetError('BAD_REVOCATION_LIST', native.tlsError());
      return count;
    },
    edgeTlsContext: (o: EdgeTlsOptions, role: 'client' | 'server'): TlsContext => {
      const { chainPem = '', keyPem = '' } = o.certificate ?? {};
      const needsRoots = role === 'client' ? o.skipsVerification !== true : o.clientCertificate === 'required';
      if (role === 'server' && o.certificate === undefined) raise('edgeTlsContext: a server needs a certificate');
      if (needsRoots && (o.rootsPem ?? '') === '') raise('edgeTlsContext: no roots to verify the peer with');
      return newContext(
        chainPem,
        keyPem,
        o.rootsPem ?? '',
        { alpn: o.alpn },
        needsRoots,
        edgeFlags(o),
        o.revocationsPem,
        o.oldCipherSuites,
      );
    },
    tlsSession: session,
    tlsMemorySession: (context: TlsContext, role: 'client' | 'server') => session(context, -1, role),
    tlsPeerCertificate: (s: TlsSession) =>
      native.tlsPeerCertificate(s) ?? raise('tlsPeerCertificate: the peer sent none'),
    tlsDescribe: (s: TlsSession): TlsDescription => {
      const [version = '-', cipher = '-', group = '-', alpn = '-'] = (native.tlsDescribe(s) ?? '').split(' ');
      return { version, cipher, group, alpn: alpn === '-' ? undefined : alpn };
    },
  };
}

function colonList(list: string | readonly string[]): string {
  return typeof list === 'string' ? list : list.join(':');
}

function raise(message: string): never {
  throw new NetError('BAD_ARGUMENT', message);
}

/** Without an addon every use of `io` throws the reason; importing this library does not. */
function bindIo(native: NativeIo | NetError): Io {
  if (!(native instanceof NetError))
    return { ...native, ...socketCalls(native), ...packetCalls(native), ...tlsCalls(native) };
  const missing: Io = Object.create(null);
  return new Proxy(missing, {
    get: () => {
      throw native;
    },
  });
}

/** The io layer of this thread. */
export const io: Io = /* @__PURE__ */ bindIo(/* @__PURE__ */ loadNativeIo());
