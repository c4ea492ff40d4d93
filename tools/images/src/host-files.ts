/** Takes programs of this machine, with the shared libraries they need, as entries of a layer. */
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import type { TarEntry } from './tar-entries.ts';

/** A file of this machine, and where it lies in the image. */
export interface HostFile {
  /** On this machine, as its package names it or as the loader found it. */
  readonly source: string;
  /** In the image, without a leading slash. */
  readonly path: string;
}

/** A file at the place it has here; the folders that Debian merged into /usr are written as there. */
export function hostFile(source: string): HostFile {
  return { source, path: mergedPath(source) };
}

/** `/lib/x` and `/usr/lib/x` are the same file; images have the second, and links for the first. */
function mergedPath(source: string): string {
  return /^\/(?:bin|sbin|lib|lib64)\//.test(source) ? `usr${source}` : source.slice(1);
}

/**
 * The shared libraries that these programs and libraries load at their start, the loader included, sorted by path.
 * What they open later by name has to be listed by hand.
 * @throws Error naming the library that this machine has not
 */
export function sharedLibraries(binaries: readonly string[]): HostFile[] {
  const found = new Map<string, HostFile>();
  for (const binary of binaries) {
    for (const line of ldd(binary).split('\n')) {
      const missing = /^\s*(\S+) => not found/.exec(line);
      if (missing !== null) throw new Error(`${binary} needs ${missing[1] ?? ''}, which this machine has not`);
      const path = /(?:^|=>)\s+(\/\S+) \(0x/.exec(line)?.[1];
      if (path === undefined) continue;
      const file = hostFile(path);
      found.set(file.path, file);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function ldd(binary: string): string {
  try {
    return execFileSync('ldd', [binary], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    // A static program has no libraries, which ldd reports as a failure.
    const { stdout, stderr } = cause as { stdout?: string; stderr?: string };
    if (/not a dynamic executable|statically linked/.test(`${stdout ?? ''}${stderr ?? ''}`)) return '';
    throw new Error(`ldd ${binary} failed: ${stderr ?? ''}`, { cause });
  }
}

/** The file's content under its path; links are followed. */
export function fileEntry(file: HostFile): TarEntry {
  const real = realpathSync(file.source);
  const isExecutable = (statSync(real).mode & 0o111) !== 0;
  return { kind: 'file', path: file.path, mode: isExecutable ? 0o755 : 0o644, content: readFileSync(real) };
}
