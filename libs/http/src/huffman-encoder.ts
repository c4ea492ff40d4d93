import { huffmanCode } from './huffman-code.ts';

/** Bytes that `text` takes Huffman coded; each character is one byte (latin1). */
export function huffmanByteLength(text: string): number {
  const { lengths } = huffmanCode();
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 255] ?? 0;
  return (bits + 7) >> 3;
}

/**
 * Writes `text` Huffman coded at `offset`, padded with ones; returns the offset after it. The caller has made sure of
 * `huffmanByteLength(text)` bytes of room.
 */
export function encodeHuffman(text: string, target: Uint8Array, offset: number): number {
  const { codes, lengths } = huffmanCode();
  let at = offset;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 255;
    const code = codes[symbol] ?? 0;
    let left = lengths[symbol] ?? 0;
    while (left > 0) {
      const take = Math.min(8 - pendingBits, left);
      pending = (pending << take) | ((code >>> (left - take)) & ((1 << take) - 1));
      pendingBits += take;
      left -= take;
      if (pendingBits === 8) {
        target[at++] = pending;
        pending = 0;
        pendingBits = 0;
      }
    }
  }
  if (pendingBits > 0) target[at++] = (pending << (8 - pendingBits)) | (255 >> pendingBits);
  return at;
}
