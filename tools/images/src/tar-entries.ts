/**
 * Writes ustar archives whose bytes depend on their content alone: owner root, time zero, entries in the order of their
 * paths. Reads nothing from disk.
 */

/** One thing in a file system, by its path without a leading slash. */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

const BLOCK = 512;

/**
 * The archive, folders above each entry included (mode 0755 unless listed themselves).
 * @throws Error for two entries of one path, and for paths that ustar cannot hold
 */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of withParents(entries)) {
    parts.push(header(entry));
    if (entry.kind !== 'file') continue;
    parts.push(entry.content, Buffer.alloc(padding(entry.content.length)));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function withParents(entries: readonly TarEntry[]): TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) {
    if (byPath.has(entry.path)) throw new Error(`two entries for /${entry.path}`);
    byPath.set(entry.path, entry);
  }
  for (const { path } of entries) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end);
      if (!byPath.has(parent)) byPath.set(parent, { kind: 'folder', path: parent, mode: 0o755 });
    }
  }
  return [...byPath.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function padding(length: number): number {
  return (BLOCK - (length % BLOCK)) % BLOCK;
}

const TYPE_FLAG = { file: '0', link: '2', folder: '5' } as const;

/** Spec: POSIX.1-1988 ustar. */
function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK);
  const [prefix, name] = splitPath(entry.kind === 'folder' ? `${entry.path}/` : entry.path);
  const target = entry.kind === 'link' ? entry.target : '';
  if (target.length > 100) throw new Error(`link target too long for a tar archive: ${target}`);
  const size = entry.kind === 'file' ? entry.content.length : 0;
  const mode = entry.kind === 'link' ? 0o777 : entry.mode;
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write(TYPE_FLAG[entry.kind], 156);
  block.write(target, 157);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

/** Name and prefix; the name may have 100 bytes, the prefix 155, cut at a slash. */
function splitPath(path: string): [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  const cut = path.indexOf('/', path.length - 101);
  if (cut <= 0 || cut > 155 || cut === path.length - 1) throw new Error(`path too long for a tar archive: ${path}`);
  return [path.slice(0, cut), path.slice(cut + 1)];
}
