/** Builds the images once for a test file and loads them into the engine. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const TAG = 'docker-tests';

/** Why the tests cannot run; false when they can. */
export const noEngine: string | false =
  process.env['DOCKER_HOST'] === undefined ? 'DOCKER_HOST names no Docker engine' : false;

/** Name of a part's image. */
export function imageOf(part: string): string {
  return `localhost/ambit/${part}:${TAG}`;
}

/** Loading is skipped by the tool for images that the engine has already. */
export function loadImages(parts: readonly string[]): void {
  const tool = join(import.meta.dirname, '../main.ts');
  execFileSync(process.execPath, [tool, ...parts, '--tag', TAG, '--load-docker', '--no-tar'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
