import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { packagesOf } from './debian-packages.ts';
import { sharedLibraries } from './host-files.ts';

const isDebian = existsSync('/var/lib/dpkg/status') || 'this machine is not Debian';

test(
  'the libraries of Node lie where the loader of an image looks, libatomic among them',
  { skip: isDebian !== true && isDebian },
  () => {
    const files = sharedLibraries([process.execPath]);
    const names = files.map(({ path }) => path.replace(/.*\//, ''));
    for (const name of ['libc.so.6', 'libatomic.so.1', 'libstdc++.so.6']) assert.ok(names.includes(name), name);
    assert.ok(names.some((name) => name.startsWith('ld-linux-')));
    for (const { path } of files) assert.match(path, /^usr\/lib/);
    const packages = packagesOf(files.map(({ source }) => source));
    const libc = packages.find(({ name }) => name === 'libc6');
    assert.match(libc?.version ?? '', /^\d/);
    assert.match(libc?.control ?? '', /^Package: libc6\n/);
    assert.doesNotMatch(libc?.control ?? '', /^Status:/m, 'the state of this machine stays out');
  },
);

test('a static program needs nothing, a missing one is named', { skip: isDebian !== true && isDebian }, () => {
  assert.throws(() => sharedLibraries(['/nonexistent/program']), /nonexistent\/program/);
});
