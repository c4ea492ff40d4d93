import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeImage, makeLayer, packImages, type ImageSettings } from './image-archive.ts';

const SETTINGS: ImageSettings = {
  architecture: 'amd64',
  user: '1337:1337',
  entrypoint: ['node', '/app/main.mjs'],
  environment: { MALLOC_ARENA_MAX: '1' },
  ports: [15_013],
  labels: { 'org.opencontainers.image.title': 'demo' },
};

const LAYERS = [
  makeLayer([{ kind: 'folder', path: 'tmp', mode: 0o1777 }], 'first'),
  makeLayer([{ kind: 'file', path: 'app/main.mjs', mode: 0o644, content: Buffer.from('') }], 'second'),
];

function readJson(path: string): ReturnType<typeof JSON.parse> {
  return JSON.parse(readFileSync(path, 'utf8'));
}

test('an archive is an OCI layout and a Docker archive of the same blobs, each under its digest', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-images-'));
  const image = makeImage('localhost/ambit/demo:1', LAYERS, SETTINGS);
  const { id } = image;
  execFileSync('tar', ['-xf', '-', '-C', folder.path], { input: packImages([image]) });
  const blob = (digest: string): string => join(folder.path, 'blobs', digest.replace(':', '/'));

  const index = readJson(join(folder.path, 'index.json'));
  assert.equal(index.manifests[0].annotations['io.containerd.image.name'], 'localhost/ambit/demo:1');
  const manifest = readJson(blob(index.manifests[0].digest));
  assert.equal(manifest.config.digest, id);
  const config = readJson(blob(id));
  for (const { digest } of [index.manifests[0], manifest.config, ...manifest.layers]) {
    assert.equal(
      `sha256:${createHash('sha256')
        .update(readFileSync(blob(digest)))
        .digest('hex')}`,
      digest,
    );
  }
  assert.deepEqual(
    config.rootfs.diff_ids,
    LAYERS.map((layer) => layer.digest),
    'layers are not compressed',
  );
  assert.equal(config.config.User, '1337:1337');
  assert.deepEqual(config.config.ExposedPorts, { '15013/tcp': {} });

  const [docker] = readJson(join(folder.path, 'manifest.json'));
  assert.deepEqual(docker.RepoTags, ['localhost/ambit/demo:1']);
  assert.deepEqual(
    docker.Layers,
    manifest.layers.map((layer: { readonly digest: string }) => `blobs/${layer.digest.replace(':', '/')}`),
  );
  assert.equal(docker.Config, `blobs/${id.replace(':', '/')}`);
});

test('the same layers and settings give the same bytes', () => {
  const build = (): Buffer => packImages([makeImage('localhost/ambit/demo:1', LAYERS, SETTINGS)]);
  assert.deepEqual(build(), build());
});

test('images in one archive share the layers that they have in common', () => {
  const big = makeLayer([{ kind: 'file', path: 'big', mode: 0o644, content: Buffer.alloc(100_000) }], 'big');
  const images = ['a', 'b'].map((name) => makeImage(`localhost/ambit/${name}:1`, [big], { ...SETTINGS, user: name }));
  const listed = execFileSync('tar', ['-tf', '-'], { input: packImages(images), encoding: 'utf8' }).split('\n');
  const blobs = listed.filter((path) => /sha256\/./.test(path));
  assert.equal(blobs.length, 5, 'a layer, two configurations, two manifests');
  assert.ok(packImages(images).length < 120_000);
});
