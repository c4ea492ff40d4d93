// Exit 0 when node_modules holds every package of the lock file at its version (optional ones may be absent, links must
// be links). Runs on whatever Node is there; prints the first difference.
import { existsSync, lstatSync, readFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const [path, wanted] of Object.entries(lock.packages)) {
  if (!path.includes('node_modules/')) continue;
  const isThere = existsSync(path);
  if (!isThere && wanted.optional) continue;
  const version = isThere && !wanted.link ? JSON.parse(readFileSync(`${path}/package.json`, 'utf8')).version : undefined;
  const isRight = isThere && (wanted.link ? lstatSync(path).isSymbolicLink() : version === wanted.version);
  if (!isRight) {
    console.log(`${path}: wanted ${wanted.version ?? 'a link'}, found ${version ?? 'nothing'}`);
    process.exit(1);
  }
}
