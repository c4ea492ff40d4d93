export type { ByteChannel, ByteChannelUser } from './byte-channel.ts';
export { ByteQueue, type ByteTaker } from './byte-queue.ts';
export { describePorts, type CaptureSummary } from './capture/capture-summary.ts';
export { PacketCapture } from './capture/packet-capture.ts';
export { ChannelBridge, type ChannelBridgeResult } from './channel-bridge.ts';
export { Cidr, parseCidr } from './cidr.ts';
export { CidrSet } from './cidr-set.ts';
export { Deadline, type DeadlineUser } from './deadline.ts';
export { defaultChannelMarks, socketChannel, tlsChannel, type ChannelMarks } from './descriptor-channel.ts';
export {
  enforcementProbe,
  formatProbeAnswer,
  isEnforcementProbe,
  maxProbeAnswerBytes,
  parseProbeAnswer,
  type ProbeAnswer,
  type ProbeState,
} from './enforcement-probe.ts';
export * from './epoll-events.ts';
export * from './errno.ts';
export { EventLoop, type IdleWork, type IoHandler, type TimerId, type TurnEndTask } from './event-loop.ts';
export { Keepalive, type KeepaliveTarget } from './keepalive.ts';
export { MemoryKeeper } from './memory-keeper.ts';
export { LoopWorker, type LoopWorkerOptions } from './loop-worker.ts';
export {
  io,
  type Fd,
  type Io,
  type KeepaliveOptions,
  type ReceivedPacket,
  type TcpConnectOptions,
  type TcpListenOptions,
  type UdpBindOptions,
} from './io.ts';
export { compareBytes, formatIp, IpAddress, ipFromBytes, isV4Mapped, parseIp } from './ip-address.ts';
export { NodeEventLoop } from './node-event-loop.ts';
export { checked, errnoName, NetError, type NetErrorCode } from './net-error.ts';
export {
  decodeProxyHeader,
  encodeProxyHeader,
  maxProxyBodyBytes,
  proxyPeerIdentityTlv,
  type ProxyDecoding,
  type ProxyHeader,
  type ProxyTlv,
} from './proxy-protocol.ts';
export { type LoopProgram, type LoopThread, runLoopWorker } from './run-loop-worker.ts';
export { SlabPool } from './slab-pool.ts';
export { formatSocketAddress, parsePort, parseSocketAddress, type SocketAddress } from './socket-address.ts';
export { type TimerHandler } from './timer-heap.ts';
export {
  type EdgeTlsOptions,
  meshCipherSuites,
  meshGroups,
  TLS_FAILED,
  TLS_WANT_READ,
  TLS_WANT_WRITE,
  type TlsContext,
  type TlsContextOptions,
  type TlsDescription,
  type TlsSession,
} from './tls.ts';
export { secureSocket, type TlsHandshakeOptions } from './secure-socket.ts';
export { secureChannel, type TlsLayerOptions, type TlsLayerUser } from './tls-layer.ts';
export { watchFd } from './watch-fd.ts';
