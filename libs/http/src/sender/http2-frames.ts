import { clientPreface, defaultMaxFrameBytes, FrameFlag, frameHeaderBytes, FrameType } from '../frame-type.ts';
import {
  headerBlockOverhead,
  writeFrameHeader,
  writeGoAway,
  writeHeaderBlock,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '../frame-writer.ts';
import type { HpackEncoder } from '../hpack-encoder.ts';
import type { FrameOutput } from './frame-output.ts';

const keepalivePayload: Uint8Array = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/**
 * Puts control frames and header blocks into a connection's output. What a header list is made of, a subclass says. A frame
 * that does not fit is dropped, and the connection ends at its next turn; see `FrameOutput.isOverrun`.
 */
export abstract class Http2Frames {
  protected readonly encoder: HpackEncoder;
  readonly #output: FrameOutput;
  /** Set from the peer's SETTINGS. */
  peerMaxFrameBytes: number = defaultMaxFrameBytes;

  constructor(output: FrameOutput, encoder: HpackEncoder) {
    this.#output = output;
    this.encoder = encoder;
  }

  setPeerTableSize(bytes: number): void {
    this.encoder.setPeerTableSize(bytes);
  }

  preface(): void {
    const output = this.#output;
    if (!output.reserve(clientPreface.length)) return;
    const { slab, position } = output;
    for (let i = 0; i < clientPreface.length; i++) slab[position + i] = clientPreface.charCodeAt(i);
    output.commit(position + clientPreface.length);
  }

  settings(settings: readonly (readonly [number, number])[]): void {
    const output = this.#output;
    if (!output.reserve(frameHeaderBytes + settings.length * 6)) return;
    output.commit(writeSettings(output.slab, output.position, settings));
  }

  settingsAck(): void {
    const output = this.#output;
    if (output.reserve(frameHeaderBytes)) output.commit(writeSettingsAck(output.slab, output.position));
  }

  ping(ack: boolean, opaque: Uint8Array, from: number): void {
    const output = this.#output;
    if (output.reserve(17)) output.commit(writePing(output.slab, output.position, ack, opaque, from));
  }

  /** Asks for a sign of life. */
  keepalivePing(): void {
    this.ping(false, keepalivePayload, 0);
  }

  goAway(lastStreamId: number, code: number): void {
    const output = this.#output;
    if (output.reserve(17)) output.commit(writeGoAway(output.slab, output.position, lastStreamId, code));
  }

  reset(streamId: number, code: number): void {
    const output = this.#output;
    if (output.reserve(13)) output.commit(writeRstStream(output.slab, output.position, streamId, code));
  }

  windowUpdate(streamId: number, increment: number): void {
    const output = this.#output;
    if (output.reserve(13)) output.commit(writeWindowUpdate(output.slab, output.position, streamId, increment));
  }

  endStream(streamId: number): void {
    const output = this.#output;
    if (!output.reserve(frameHeaderBytes)) return;
    output.commit(writeFrameHeader(output.slab, output.position, 0, FrameType.data, FrameFlag.endStream, streamId));
  }

  /** `block`: what the encoder made of a header list, its first `length` bytes. */
  protected headerBlock(streamId: number, block: Uint8Array, length: number, endStream: boolean): void {
    const output = this.#output;
    const { peerMaxFrameBytes } = this;
    if (!output.reserve(length + headerBlockOverhead(length, peerMaxFrameBytes))) return;
    const { slab, position } = output;
    output.commit(writeHeaderBlock(slab, position, streamId, block, length, endStream, peerMaxFrameBytes));
  }
}
