/** Which source files a project consists of, its own libraries included. */
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Folders of a project and of every `@ambit/` project it depends on, relative to `root`, sorted. */
export function projectClosure(root: string, projectFolder: string): string[] {
  const seen = new Set<string>();
  const open = [projectFolder];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    if (seen.has(folder)) continue;
    seen.add(folder);
    for (const name of Object.keys(readManifest(root, folder).dependencies ?? {})) {
      if (name.startsWith('@ambit/')) open.push(join('libs', name.slice('@ambit/'.length)));
    }
  }
  return [...seen].toSorted();
}

/**
 * A hash of everything that decides a bundle: sources without tests, manifests, the lock file and `extra` files.
 * Files that do not exist count as absent.
 */
export function sourcesKey(root: string, folders: readonly string[], extra: readonly string[]): string {
  const files = folders.flatMap((folder) => [
    join(folder, 'package.json'),
    ...globSync(`${folder}/src/**/*.ts`, { cwd: root }).filter((path) => !path.endsWith('.test.ts')),
  ]);
  const hash = createHash('sha256');
  for (const path of [...files, ...extra].toSorted()) {
    const absolute = join(root, path);
    const content = existsSync(absolute) ? readFileSync(absolute) : 'absent';
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function readManifest(root: string, folder: string): Manifest {
  // Written in this repository and checked by npm.
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
}
