/** Finds test files and says to which ring each belongs. */
import { globSync } from 'node:fs';
import { join } from 'node:path';

/** Rings that consist of files. */
export type FileRing = 'unit' | 'netns' | 'interop';

/** The ring of a file, by its name. */
export function ringOf(path: string): FileRing {
  if (path.endsWith('.netns.test.ts')) return 'netns';
  return path.endsWith('.interop.test.ts') ? 'interop' : 'unit';
}

/** Absolute paths of a ring's files below the project folders, sorted. */
export function testFiles(root: string, projects: string, ring: FileRing): string[] {
  return globSync(`${projects}/src/**/*.test.ts`, { cwd: root })
    .filter((path) => ringOf(path) === ring)
    .toSorted()
    .map((path) => join(root, path));
}
