/** What attacks over HTTP/2 have in common: the first bytes, header blocks, and no interest in most answers. */
import {
  clientPreface,
  type FrameSink,
  type HpackEncoder,
  maxEncodedBytes,
  writeHeaderBlock,
  writeSettings,
  writeSettingsAck,
} from '@ambit/http';

export type Fields = readonly (readonly [name: string, value: string])[];

/** Answers the peer's SETTINGS. */
export const settingsAck: Buffer = Buffer.alloc(9);
writeSettingsAck(settingsAck, 0);

/** Hears nothing. */
export const ignoredFrames: FrameSink = {
  onDataFrame() {},
  onData() {},
  onDataPadding() {},
  onDataEnd() {},
  onHeaderBlock() {},
  onPriority() {},
  onReset() {},
  onSetting() {},
  onSettingsEnd() {},
  onSettingsAck() {},
  onPing() {},
  onGoAway() {},
  onWindowUpdate() {},
  onStreamError() {},
  onUnknownFrame() {},
};

/** What a client says first. Returns the offset after it. */
export function writeOpening(target: Buffer): number {
  return writeSettings(target, target.write(clientPreface, 'latin1'), []);
}

/** HEADERS of a stream, whatever the fields hold. Returns the offset after them. */
export function writeFields(
  encoder: HpackEncoder,
  target: Uint8Array,
  offset: number,
  streamId: number,
  fields: Fields,
  isEnd: boolean,
): number {
  const block = new Uint8Array(fields.reduce((sum, [name, value]) => sum + maxEncodedBytes(name, value), 12));
  let length = encoder.begin(block, 0);
  for (const [name, value] of fields) length = encoder.field(block, length, name, value, 'never');
  return writeHeaderBlock(target, offset, streamId, block, length, isEnd);
}
