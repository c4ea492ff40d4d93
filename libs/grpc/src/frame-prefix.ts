/** What stands before each message. Spec: gRPC over HTTP/2, Length-Prefixed-Message. */

/** Bytes before each message: one of flags, four of length. */
export const FRAME_PREFIX_BYTES = 5;

/** Writes the prefix of a message of this length to the start of `frame`. */
export function putFramePrefix(frame: Uint8Array, messageBytes: number, isCompressed: boolean = false): void {
  frame[0] = isCompressed ? 1 : 0;
  frame[1] = messageBytes >>> 24;
  frame[2] = (messageBytes >>> 16) & 0xff;
  frame[3] = (messageBytes >>> 8) & 0xff;
  frame[4] = messageBytes & 0xff;
}

/** A message with its prefix. */
export function frameOf(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(FRAME_PREFIX_BYTES + message.length);
  putFramePrefix(frame, message.length);
  frame.set(message, FRAME_PREFIX_BYTES);
  return frame;
}
