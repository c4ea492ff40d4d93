import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempDisposableSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { writeImage } from './image-archive.ts';
import { parseLayerSource } from './layer-source.ts';
import { tarLayer } from './tar-layer.ts';

const LONG = `${'folder-with-a-long-name/'.repeat(6)}file`;

function tar(args: readonly string[], input?: Buffer): string {
  const { status, stdout, stderr } = spawnSync('tar', args, {
    input,
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

test('GNU tar reads a layer: modes, owners, times, links, names longer than a header', () => {
  const layer = tarLayer([
    { kind: 'folder', path: 'tmp', mode: 0o41777 },
    { kind: 'file', path: LONG, mode: 0o100755, content: Buffer.alloc(513, 'x') },
    { kind: 'link', path: 'sh', target: `/${LONG}` },
  ]);
  const lines = tar(['-tv', '--numeric-owner'], Buffer.concat(layer)).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => line.replace(/\s+/g, ' ')),
    [
      'drwxrwxrwt 0/0 0 1970-01-01 00:00 tmp/',
      `-rwxr-xr-x 0/0 513 1970-01-01 00:00 ${LONG}`,
      `lrwxrwxrwx 0/0 0 1970-01-01 00:00 sh -> /${LONG}`,
    ],
  );
});

test('the same parts give the same image, whoever owns them and whenever they were written', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-image-'));
  const make = (name: string, time: number): Buffer => {
    const source = join(folder.path, name, 'source');
    mkdirSync(join(source, 'bin'), { recursive: true });
    // In another order.
    for (const file of time === 1 ? ['b', 'a'] : ['a', 'b']) writeFileSync(join(source, 'bin', file), file);
    chmodSync(join(source, 'bin/a'), 0o755);
    symlinkSync('a', join(source, 'bin/c'));
    utimesSync(join(source, 'bin/a'), time, time);
    const file = join(folder.path, `${name}.tar`);
    writeImage(file, { name: 'localhost/test:1', layers: [parseLayerSource(`${source}:/opt/app`)], command: ['a'] });
    return readFileSync(file);
  };
  const one = make('one', 1);
  assert.deepEqual(make('two', 2), one);
  const manifest: unknown = JSON.parse(tar(['-xO', 'manifest.json'], one));
  assert.ok(Array.isArray(manifest));
  const [{ Config, RepoTags, Layers }] = manifest;
  assert.deepEqual(RepoTags, ['localhost/test:1']);
  const config = JSON.parse(tar(['-xO', Config], one));
  assert.equal(config.rootfs.diff_ids[0], `sha256:${Layers[0].replace('/layer.tar', '')}`);
  assert.deepEqual(config.config.Cmd, ['a']);
});

test('a part may be a folder, a file with a destination, or an archive, compressed or not', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-image-'));
  const layer = Buffer.concat(tarLayer([{ kind: 'file', path: 'x', mode: 0o644, content: Buffer.from('hello') }]));
  writeFileSync(join(folder.path, 'plain.tar'), layer);
  writeFileSync(join(folder.path, 'small.tar.gz'), gzipSync(layer));
  const file = join(folder.path, 'image.tar');
  writeImage(file, {
    name: 'localhost/test:1',
    layers: ['plain.tar', 'small.tar.gz'].map((name) => parseLayerSource(join(folder.path, name))),
  });
  // Both are the same layer, which is stored once.
  assert.equal(tar(['-tf', file]).match(/layer\.tar/g)?.length, 1);
  assert.throws(() => parseLayerSource('/nowhere:/x'), { code: 'BAD_ARGUMENT', message: /there is no \/nowhere/ });
});
