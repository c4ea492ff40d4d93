// `verify.mjs NAME FILE`: exit 0 when the package file has the checksum that package-lock.json gives for node_modules/NAME.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [name, file] = process.argv.slice(2);
const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages[`node_modules/${name}`]?.integrity;
const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
if (found !== wanted) {
  console.log(`${name}: wanted ${wanted}, found ${found}`);
  process.exit(1);
}
