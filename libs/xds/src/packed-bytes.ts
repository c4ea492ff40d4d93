declare const brand: unique symbol;

/**
 * Bytes as the text of one byte a character that V8 keeps in its heap as such: a few hundred bytes in a Uint8Array of their
 * own cost twice as much again for the array, its buffer and what the C library keeps of it. For what is held a hundred
 * thousand times and looked at seldom; equal bytes are equal texts.
 */
export type PackedBytes = string & { readonly [brand]: true };

/** A copy. */
export function packBytes(bytes: Uint8Array): PackedBytes {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  // The brand says how the text was made, which is here.
  return text as PackedBytes;
}

/** A copy. */
export function unpackBytes(packed: PackedBytes): Buffer {
  return Buffer.from(packed, 'latin1');
}
