// Exit 0 when node_modules holds every package of the lock file at its version. Optional ones for other machines may be
// absent, links must be links. Prints the first difference.
import { existsSync, lstatSync, readFileSync } from 'node:fs';

const lists = (field, value) => field === undefined || [field].flat().includes(value);
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const [path, wanted] of Object.entries(lock.packages)) {
  if (!path.includes('node_modules/')) continue;
  // What an absent package would bring along is absent with it.
  const parent = path.slice(0, path.lastIndexOf('/node_modules/'));
  if (path.includes('/node_modules/') && !existsSync(parent)) continue;
  const isThere = existsSync(path);
  const isForHere =
    lists(wanted.os, process.platform) && lists(wanted.cpu, process.arch) && lists(wanted.libc, 'glibc');
  if (!isThere && wanted.optional && !isForHere) continue;
  const version =
    isThere && !wanted.link ? JSON.parse(readFileSync(`${path}/package.json`, 'utf8')).version : undefined;
  const isRight = isThere && (wanted.link ? lstatSync(path).isSymbolicLink() : version === wanted.version);
  if (!isRight) {
    console.log(`${path}: wanted ${wanted.version ?? 'a link'}, found ${version ?? 'nothing'}`);
    process.exit(1);
  }
}
