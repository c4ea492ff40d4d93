/**
 * Tar archives that depend on nothing but names, modes and content: owner root, time zero, entries in the order of
 * their names, so that the same input always gives the same bytes and thereby the same image.
 * Spec: POSIX.1-2001 ustar, with GNU's long names.
 */

/** One entry; paths without a leading slash. */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Buffer }
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

const BLOCK = 512;
const NAME_BYTES = 100;
const TYPES = { file: '0', link: '2', folder: '5', longName: 'L', longTarget: 'K' } as const;
/** Twelve octal digits less the end mark. */
const MAX_BYTES = 8 ** 11 - 1;

/** @returns the archive in pieces, in order; contents are not copied. @throws RangeError for a file of 8 GiB or more */
export function tarLayer(entries: readonly TarEntry[]): readonly Buffer[] {
  const pieces = entries.flatMap(entryPieces);
  pieces.push(Buffer.alloc(2 * BLOCK));
  return pieces;
}

function entryPieces(entry: TarEntry): Buffer[] {
  const path = entry.kind === 'folder' ? `${entry.path}/` : entry.path;
  const target = entry.kind === 'link' ? entry.target : '';
  const content = entry.kind === 'file' ? entry.content : Buffer.alloc(0);
  const mode = entry.kind === 'link' ? 0o777 : entry.mode;
  return [
    ...longText(TYPES.longTarget, target),
    ...longText(TYPES.longName, path),
    header({ path, target, mode, type: TYPES[entry.kind], bytes: content.length }),
    ...padded(content),
  ];
}

/** What does not fit into a header comes before it as the content of an entry of its own. */
function longText(type: string, text: string): Buffer[] {
  if (Buffer.byteLength(text) <= NAME_BYTES) return [];
  const content = Buffer.from(`${text}\0`);
  return [header({ path: '././@LongLink', target: '', mode: 0o644, type, bytes: content.length }), ...padded(content)];
}

interface HeaderFields {
  readonly path: string;
  readonly target: string;
  readonly mode: number;
  readonly type: string;
  readonly bytes: number;
}

function header({ path, target, mode, type, bytes }: HeaderFields): Buffer {
  if (bytes > MAX_BYTES) throw new RangeError(`${path} has ${bytes} bytes; a tar entry takes ${MAX_BYTES}`);
  const block = Buffer.alloc(BLOCK);
  block.set(Buffer.from(path).subarray(0, NAME_BYTES), 0);
  block.write(octal(mode & 0o7777, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(bytes, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(type, 156);
  block.set(Buffer.from(target).subarray(0, NAME_BYTES), 157);
  block.write('ustar  \0', 257, 'latin1');
  // The sum is taken with its own field as eight spaces.
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function padded(content: Buffer): Buffer[] {
  const rest = content.length % BLOCK;
  if (content.length === 0) return [];
  return rest === 0 ? [content] : [content, Buffer.alloc(BLOCK - rest)];
}
