export { ByteCollector } from './byte-collector.ts';
export { ReceiveWindow, SendWindow } from './flow-window.ts';
export { FrameDecoder } from './frame-decoder.ts';
export { defaultFrameDecoderLimits, type FrameDecoderLimits } from './frame-decoder-limits.ts';
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
export { Http2Receiver, type Http2ReceiverLimits } from './receiver/http2-receiver.ts';
export type { ReceivingConnection } from './receiver/receiving-connection.ts';
export { ConnectionDrain } from './sender/connection-drain.ts';
export { FrameOutput } from './sender/frame-output.ts';
export { Http2Frames } from './sender/http2-frames.ts';
export { type FrameSizes, Http2Sender } from './sender/http2-sender.ts';
export { ReceiveCredit } from './sender/receive-credit.ts';
export { contentLengthOf, isAuthority, isMethod, isPathTarget } from './request-text.ts';
export { canReceive, canSend, nextStreamState } from './stream-state.ts';
export type { StreamEvent, StreamState } from './stream-state.ts';
export { type BodyFraming, requestFraming, responseFraming } from './http1/body-framing.ts';
export { ChunkDecoder, type ChunkSink } from './http1/chunk-decoder.ts';
export { chunkSuffixBytes, frameChunk, maxChunkPrefixBytes, writeLastChunk } from './http1/chunk-writer.ts';
export { asciiText, equalsLower, FieldSlices } from './http1/field-slices.ts';
export { type FieldName, fieldNameAt } from './http1/field-name.ts';
export { Http1Decoder, type Http1Role, type Http1Sink } from './http1/http1-decoder.ts';
export { type Http1Breach, Http1Error } from './http1/http1-error.ts';
export { Http1Head, type Persistence } from './http1/http1-head.ts';
export { defaultHttp1Limits, type Http1Limits } from './http1/http1-limits.ts';
