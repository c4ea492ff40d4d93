/** Finds test files and says to which ring each belongs. */
import { globSync } from 'node:fs';
import { join } from 'node:path';

/** Rings that consist of files. */
export type FileRing = 'unit' | 'netns' | 'interop' | 'cluster' | 'docker';

const RINGS_BY_SUFFIX: readonly FileRing[] = ['netns', 'interop', 'cluster', 'docker'];

/** Folders of all projects. */
export const PROJECTS = '{apps,libs,tools}/*';

/** The ring of a file, by its name. */
export function ringOf(path: string): FileRing {
  return RINGS_BY_SUFFIX.find((ring) => path.endsWith(`.${ring}.test.ts`)) ?? 'unit';
}

/** Absolute paths of a ring's files below the project folders, sorted. */
export function testFiles(root: string, projects: string, ring: FileRing): string[] {
  return globSync(`${projects}/src/**/*.test.ts`, { cwd: root })
    .filter((path) => ringOf(path) === ring)
    .toSorted()
    .map((path) => join(root, path));
}
