import { defaultHttp2AbuseLimits } from '@ambit/http';
import type { Http2AbuseLimits } from '@ambit/http';

/** Numbers of the HBONE contract. Spec: data-plane 1.2 and 1.3. All have defaults; give only what differs. */
export interface HboneSettings {
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /**
   * Streams begin with small windows, which grow to `streamWindowBytes` while their bytes are taken as they come, so that streams
   * whose bytes nobody takes cannot use up the connection's; see `StreamWindows`. Off: the windows of the contract.
   */
  readonly sharesWindows: boolean;
  readonly maxFrameBytes: number;
  /** Streams a peer may open on a server connection. */
  readonly serverMaxStreams: number;
  readonly serverMaxHeaderListBytes: number;
  readonly clientMaxHeaderListBytes: number;
  /** Streams a pool puts on one connection; also what is assumed before the peer's SETTINGS. */
  readonly poolMaxStreamsPerConnection: number;
  /** A pooled connection without a checkout for this long leaves the pool. */
  readonly poolUnusedReleaseTimeoutMs: number;
  /** Requests that may wait for one dial; more are refused. */
  readonly poolMaxQueuedPerKey: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /**
   * Client: send what the application has already written before the 200 has come. Saves a round trip; off by default,
   * as a peer that answers with an error has then seen bytes it refused.
   */
  readonly sendBeforeResponse: boolean;
  readonly abuse: Http2AbuseLimits;
}

/** Those of Istio's ztunnel where the contract names them. */
export const defaultHboneSettings: HboneSettings = {
  streamWindowBytes: 4 * 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  sharesWindows: false,
  maxFrameBytes: 1024 * 1024,
  serverMaxStreams: 200,
  serverMaxHeaderListBytes: 64 * 1024,
  clientMaxHeaderListBytes: 16 * 1024,
  poolMaxStreamsPerConnection: 100,
  poolUnusedReleaseTimeoutMs: 300_000,
  poolMaxQueuedPerKey: 4096,
  connectTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
  sendBeforeResponse: false,
  abuse: defaultHttp2AbuseLimits,
};
