export { ByteCollector } from './byte-collector.ts';
export { ReceiveWindow, SendWindow } from './flow-window.ts';
export { defaultFrameDecoderLimits, FrameDecoder } from './frame-decoder.ts';
export type { FrameDecoderLimits } from './frame-decoder.ts';
export type { FrameSink } from './frame-sink.ts';
export {
  clientPreface,
  defaultMaxFrameBytes,
  defaultWindowBytes,
  ErrorCode,
  errorCodeName,
  FrameFlag,
  frameHeaderBytes,
  FrameType,
  maxInt31,
  SettingId,
} from './frame-type.ts';
export {
  headerBlockOverhead,
  writeFrameHeader,
  writeGoAway,
  writeHeaderBlock,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeUint32,
  writeWindowUpdate,
} from './frame-writer.ts';
export { isConnectionField, isFieldName, isFieldValue } from './header-field.ts';
export { HeaderList, requestProblem, responseProblem, trailersProblem } from './header-list.ts';
export { HpackDecoder } from './hpack-decoder.ts';
export type { HeaderSink } from './hpack-decoder.ts';
export { HpackEncoder, maxEncodedBytes } from './hpack-encoder.ts';
export type { HeaderIndexing } from './hpack-encoder.ts';
export { defaultHttp2AbuseLimits, Http2AbuseMeter } from './http2-abuse-meter.ts';
export type { AbuseBudget, AbuseKind, Http2AbuseLimits } from './http2-abuse-meter.ts';
export { Http2Error } from './http2-error.ts';
export { canReceive, canSend, nextStreamState } from './stream-state.ts';
export type { StreamEvent, StreamState } from './stream-state.ts';
