/** Which file of an app a process runs: its bundle while that is newer than every source, else the source. */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * `tools/bundle` writes `apps/NAME/dist/main.mjs` and stamps `key` each time it finds the bundle right. A bundle starts
 * faster and takes less memory than sources; an old one would run what is no longer there.
 * @param entry `apps/NAME/src/main.ts`, relative to `repository`
 */
export function processEntry(repository: string, entry: string): string {
  const source = join(repository, entry);
  const bundle = join(repository, entry.replace('/src/main.ts', '/dist/main.mjs'));
  const stamp = join(bundle, '../key');
  if (bundle === source || !existsSync(bundle) || !existsSync(stamp)) return source;
  const bundledAtMs = statSync(stamp).mtimeMs;
  const sources = globSync([entry.replace('main.ts', '**/*.ts'), 'libs/*/src/**/*.ts'], { cwd: repository });
  return sources.every((path) => statSync(join(repository, path)).mtimeMs <= bundledAtMs) ? bundle : source;
}
