/** Room to leave before the data of a chunk: eight digits and a line end. */
export const maxChunkPrefixBytes = 10;
/** Room to leave after it. */
export const chunkSuffixBytes = 2;

const digits = '0123456789abcdef';

/**
 * Writes the size line of a chunk so that it ends at `dataAt`, and the line end after the data; the data stays in place.
 * Returns where the chunk begins. `length` must be positive, since a chunk of 0 ends the body.
 */
export function frameChunk(buffer: Uint8Array, dataAt: number, length: number): number {
  if (length <= 0) throw new RangeError('an empty chunk ends the body');
  buffer[dataAt + length] = 0x0d;
  buffer[dataAt + length + 1] = 0x0a;
  let at = dataAt;
  buffer[--at] = 0x0a;
  buffer[--at] = 0x0d;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 16)) buffer[--at] = digits.charCodeAt(rest % 16);
  return at;
}

/** Writes the end of a chunked body without trailers at `at`; returns the position after it. */
export function writeLastChunk(buffer: Uint8Array, at: number): number {
  buffer[at] = 0x30;
  buffer[at + 1] = 0x0d;
  buffer[at + 2] = 0x0a;
  buffer[at + 3] = 0x0d;
  buffer[at + 4] = 0x0a;
  return at + 5;
}
