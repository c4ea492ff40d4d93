import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { writeTar, type TarEntry } from './tar-entries.ts';

const ENTRIES: readonly TarEntry[] = [
  { kind: 'file', path: 'usr/bin/tool', mode: 0o755, content: Buffer.from('#!tool\n') },
  { kind: 'link', path: 'bin', target: 'usr/bin' },
  { kind: 'folder', path: 'tmp', mode: 0o1777 },
  { kind: 'file', path: `${'long/'.repeat(25)}name`, mode: 0o644, content: Buffer.alloc(512) },
];

function list(archive: Buffer): string[] {
  return execFileSync('tar', ['-tvf', '-', '--numeric-owner', '--full-time', '--utc'], {
    input: archive,
    encoding: 'utf8',
  })
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll(/ +/g, ' '));
}

test('an archive is what tar reads: owner root, time zero, parents first, sorted', () => {
  const lines = list(writeTar(ENTRIES));
  assert.deepEqual(
    lines.filter((line) => !line.includes('long/')),
    [
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 bin -> usr/bin',
      'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 tmp/',
      'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 usr/',
      'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 usr/bin/',
      '-rwxr-xr-x 0/0 7 1970-01-01 00:00:00 usr/bin/tool',
    ],
  );
  assert.equal(lines.at(-5)?.endsWith(` ${'long/'.repeat(25)}name`), true, 'a path over 100 bytes is kept whole');
});

test('the order in which entries are given does not count', () => {
  assert.deepEqual(writeTar(ENTRIES.toReversed()), writeTar(ENTRIES));
});

test('what tar cannot hold is refused', () => {
  const file = (path: string): TarEntry => ({ kind: 'file', path, mode: 0o644, content: Buffer.alloc(0) });
  assert.throws(() => writeTar([file('a'), file('a')]), /two entries for \/a/);
  assert.throws(() => writeTar([file('x'.repeat(120))]), /path too long/);
  assert.throws(() => writeTar([{ kind: 'link', path: 'a', target: 'x'.repeat(101) }]), /target too long/);
});
