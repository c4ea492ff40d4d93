import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A file as it was when the folder was scanned. `stamp` changes whenever the content may have changed. */
export interface ScannedFile {
  readonly path: string;
  readonly stamp: string;
  readonly sizeBytes: number;
}

export interface ScannedFolder {
  /** By path. */
  readonly files: readonly ScannedFile[];
  /** The folder and all folders below it. */
  readonly directories: readonly string[];
}

const maxDepth = 16;
/** Says something of this process and nothing of the folder. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Lists the YAML files below a folder. Names starting with a dot are skipped (editors' and atomic writers' temporary
 * files, the `..data` of mounted ConfigMaps); symbolic links are followed. A folder that does not exist is empty.
 * @throws Error `EMFILE` and its like, when there is no descriptor to look with
 */
export function scanFolder(root: string): ScannedFolder {
  const files: ScannedFile[] = [];
  const directories: string[] = [];
  visit(root, 0, files, directories);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, directories };
}

function visit(directory: string, depth: number, files: ScannedFile[], directories: string[]): void {
  directories.push(directory);
  for (const name of namesOf(directory)) {
    if (name.startsWith('.')) continue;
    const path = join(directory, name);
    const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stats === undefined) continue;
    if (stats.isDirectory()) {
      if (depth < maxDepth) visit(path, depth + 1, files, directories);
    } else if (stats.isFile() && /\.(ya?ml|json)$/.test(name)) {
      const stamp = `${stats.mtimeNs}.${stats.ctimeNs}.${stats.ino}.${stats.size}`;
      files.push({ path, stamp, sizeBytes: Number(stats.size) });
    }
  }
}

function namesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && EXHAUSTED.has(cause.code)) throw cause;
    return [];
  }
}
