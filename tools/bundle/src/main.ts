/** `node tools/bundle/src/main.ts [--force] [app ...]`: bundles the named apps, or all. */
import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleApp } from './bundle-app.ts';

const root = join(import.meta.dirname, '../../..');
const { values, positionals } = parseArgs({
  options: { force: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const isNamed = positionals.length > 0;
const apps = isNamed ? positionals : readdirSync(join(root, 'apps')).toSorted();

for (const app of apps) {
  const start = performance.now();
  const outcome = await bundleApp(root, app, values.force);
  if (outcome.kind === 'absent') {
    if (!isNamed) continue;
    process.stderr.write(`bundle: apps/${app} has no src/main.ts\n`);
    process.exitCode = 65;
  } else if (outcome.kind === 'built') {
    const sizes = outcome.files.map(
      (file) => `${file} ${Math.ceil(statSync(join(outcome.folder, file)).size / 1024)} KiB`,
    );
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    process.stdout.write(`bundle: ${relative(root, outcome.folder)} in ${seconds} s: ${sizes.join(', ')}\n`);
  }
}
