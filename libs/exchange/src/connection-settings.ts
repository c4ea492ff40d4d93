import { defaultHttp1Limits, defaultHttp2AbuseLimits, type Http1Limits, type Http2AbuseLimits } from '@ambit/http';

/** HTTP/2 of either end of a connection. */
export interface Http2Settings {
  /** SETTINGS_MAX_CONCURRENT_STREAMS of a server; of a client the most streams that it opens on one connection. */
  readonly maxStreams: number;
  /** What a peer may send on a stream, and what a paused stream may hold. */
  readonly streamWindowBytes: number;
  /** Credit is given back in steps of a sixteenth: what unread streams hold must not keep back what others have read. */
  readonly connectionWindowBytes: number;
  readonly maxFrameBytes: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE. Over it: 431 from a server, a reset from a client. */
  readonly maxHeaderListBytes: number;
  /** Fields of one head; the same bound as for HTTP/1.1. */
  readonly maxFields: number;
  /** A server announces extended CONNECT and takes it. Spec: RFC 8441. */
  readonly acceptsExtendedConnect: boolean;
  /** PING after this much silence; 0: never. An answer has to come within `pingTimeoutMs`. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly abuse: Http2AbuseLimits;
}

/** A connection that takes requests. Time-outs in milliseconds, 0: none. Made once and shared by connections. */
export interface ServerConnectionSettings {
  /** `RequestHead.scheme` of HTTP/1.1; HTTP/2 says it itself. */
  readonly scheme: 'http' | 'https';
  /** From the first byte of a head (or the start of the connection) to its end: 408. */
  readonly headTimeoutMs: number;
  /** Without an exchange: the connection ends. */
  readonly idleTimeoutMs: number;
  /** Otherwise 426. */
  readonly acceptsHttp10: boolean;
  /** How much of a body nobody wants is read to keep the connection. */
  readonly maxDroppedBodyBytes: number;
  readonly http1: Http1Limits;
  readonly http2: Http2Settings;
}

/** A connection that makes requests. */
export interface ClientConnectionSettings {
  /** Without an exchange: the connection ends. 0: never. */
  readonly idleTimeoutMs: number;
  readonly http1: Http1Limits;
  readonly http2: Http2Settings;
}

/** Small windows: an exchange holds at most 256 KiB. Header lists as Envoy bounds them. */
export const defaultHttp2Settings: Http2Settings = {
  maxStreams: 100,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  maxFrameBytes: 16_384,
  maxHeaderListBytes: 61_440,
  maxFields: 100,
  acceptsExtendedConnect: false,
  pingIntervalMs: 0,
  pingTimeoutMs: 20_000,
  abuse: defaultHttp2AbuseLimits,
};

/** A minute for a head; an hour without a request, as Envoy. */
export const defaultServerConnectionSettings: ServerConnectionSettings = {
  scheme: 'http',
  headTimeoutMs: 60_000,
  idleTimeoutMs: 3_600_000,
  acceptsHttp10: false,
  maxDroppedBodyBytes: 64 * 1024,
  http1: defaultHttp1Limits,
  http2: defaultHttp2Settings,
};

/**
 * Exchanges of many share a connection to a server: the windows of all its streams fit into that of the connection, or a few answers
 * that nobody reads would stop all others.
 */
export const defaultClientConnectionSettings: ClientConnectionSettings = {
  idleTimeoutMs: 3_600_000,
  http1: defaultHttp1Limits,
  http2: {
    ...defaultHttp2Settings,
    maxStreams: 1000,
    streamWindowBytes: 64 * 1024,
    connectionWindowBytes: 70 * 1024 * 1024,
  },
};
