/**
 * The closed number sets of HTTP/2: frame types, flags, error codes, setting ids.
 * Spec: RFC 9113 sections 6, 6.5.2 and 7.
 */

/** Frame types of RFC 9113 section 6. Other numbers are legal on the wire and are skipped. */
export const FrameType: {
  readonly data: 0;
  readonly headers: 1;
  readonly priority: 2;
  readonly rstStream: 3;
  readonly settings: 4;
  readonly pushPromise: 5;
  readonly ping: 6;
  readonly goAway: 7;
  readonly windowUpdate: 8;
  readonly continuation: 9;
} = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
};

/** Frame flags; `ack` and `endStream` share a bit and belong to different frame types. */
export const FrameFlag: {
  readonly endStream: 1;
  readonly ack: 1;
  readonly endHeaders: 4;
  readonly padded: 8;
  readonly priority: 32;
} = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 };

/** Error codes of RST_STREAM and GOAWAY. Peers may send other numbers. */
export const ErrorCode: {
  readonly noError: 0;
  readonly protocolError: 1;
  readonly internalError: 2;
  readonly flowControlError: 3;
  readonly settingsTimeout: 4;
  readonly streamClosed: 5;
  readonly frameSizeError: 6;
  readonly refusedStream: 7;
  readonly cancel: 8;
  readonly compressionError: 9;
  readonly connectError: 10;
  readonly enhanceYourCalm: 11;
  readonly inadequateSecurity: 12;
  readonly http11Required: 13;
} = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
};

const errorCodeNames: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** The registered name of an error code, or `code <n>` for a number outside the registry. */
export function errorCodeName(code: number): string {
  return errorCodeNames[code] ?? `code ${code}`;
}

/** Setting identifiers of RFC 9113 section 6.5.2 and RFC 8441. Unknown ones are ignored. */
export const SettingId: {
  readonly headerTableSize: 1;
  readonly enablePush: 2;
  readonly maxConcurrentStreams: 3;
  readonly initialWindowSize: 4;
  readonly maxFrameSize: 5;
  readonly maxHeaderListSize: 6;
  readonly enableConnectProtocol: 8;
} = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
};

/** Largest stream id, window and window increment: 2^31 - 1. */
export const maxInt31: number = 0x7fffffff;
/** Bytes of a frame header. */
export const frameHeaderBytes: number = 9;
/** Smallest and default SETTINGS_MAX_FRAME_SIZE. */
export const defaultMaxFrameBytes: number = 16_384;
/** Default flow-control window of streams and of the connection. */
export const defaultWindowBytes: number = 65_535;
/** What a client sends first. Spec: RFC 9113 section 3.4. */
export const clientPreface: string = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
