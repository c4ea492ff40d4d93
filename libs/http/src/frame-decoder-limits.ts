import { defaultMaxFrameBytes } from './frame-type.ts';

/** Limits of a FrameDecoder; all are checked on the frame header, before a byte of payload is kept. */
export interface FrameDecoderLimits {
  /** SETTINGS_MAX_FRAME_SIZE that we advertised. */
  readonly maxFrameBytes: number;
  /** Compressed size of a header block over all its frames. */
  readonly maxHeaderBlockBytes: number;
  /** CONTINUATION frames of one header block. */
  readonly maxContinuationFrames: number;
  /** Entries of one SETTINGS frame. */
  readonly maxSettingsEntries: number;
}

/** The least frame size that HTTP/2 allows, and header blocks that hold any request meant well. */
export const defaultFrameDecoderLimits: FrameDecoderLimits = {
  maxFrameBytes: defaultMaxFrameBytes,
  maxHeaderBlockBytes: 32_768,
  maxContinuationFrames: 16,
  maxSettingsEntries: 64,
};
