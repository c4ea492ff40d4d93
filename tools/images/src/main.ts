/**
 * `npm run images -- [app...] [--out dir] [--tag t] [--repository r] [--load-docker [--no-tar]]`: writes one tar per image, which
 * `docker load`, `ctr images import` and `kube-lab load-image` take, and its bill of materials beside it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { APP_IMAGES, type BaseName } from './app-images.ts';
import { ImageBuilder, type BuiltImage } from './build-image.ts';
import { packImages, type Image } from './image-archive.ts';

const root = join(import.meta.dirname, '../../..');
// Written in this repository.
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const { values, positionals } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, '.cache/images') },
    tag: { type: 'string', default: version },
    repository: { type: 'string', default: 'localhost/ambit' },
    'load-docker': { type: 'boolean', default: false },
    // For whoever only wants them in the engine.
    'no-tar': { type: 'boolean', default: false },
    measure: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

const BASES: readonly BaseName[] = ['base', 'base-cni-agent'];
const names = positionals.length > 0 ? positionals : APP_IMAGES.map(({ app }) => app);
const apps = APP_IMAGES.filter(({ app }) => names.includes(app));
const bases = BASES.filter((name) => names.includes(name));
/** `nats` is not a part of the mesh and is built when it is named. */
const known: readonly string[] = [...APP_IMAGES.map(({ app }) => app), ...BASES, 'nats'];
const unknown = names.filter((name) => !known.includes(name));

if (unknown.length > 0) {
  process.stderr.write(`images: unknown: ${unknown.join(', ')}; known: ${known.join(', ')}\n`);
  process.exit(64);
}
try {
  build();
} catch (cause) {
  process.stderr.write(`images: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exit(1);
}

function build(): void {
  const out = resolve(values.out);
  if (apps.length > 0) {
    const bundler = join(root, 'tools/bundle/src/main.ts');
    execFileSync(process.execPath, [bundler, ...apps.map(({ app }) => app)], { stdio: 'inherit' });
  }
  const builder = new ImageBuilder({
    root,
    repository: values.repository,
    tag: values.tag,
    version,
    revision: revisionOf(root),
  });
  const built = new Map<string, BuiltImage>();
  for (const name of bases) built.set(name, builder.buildBase(name));
  for (const app of apps) built.set(app.app, builder.buildApp(app));
  // oxlint-disable-next-line node/no-process-env
  if (names.includes('nats')) built.set('nats', builder.buildNats(process.env['PATH'] ?? ''));
  if (!values['no-tar']) {
    mkdirSync(out, { recursive: true });
    for (const [name, one] of built) write(out, name, one);
  }
  if (values['load-docker']) loadIntoDocker([...built.values()].map(({ image }) => image));
}

function write(out: string, name: string, { image, billOfMaterials }: BuiltImage): void {
  const tar = join(out, `${name}.tar`);
  // Whoever reads the folder meanwhile sees whole files only.
  writeFileSync(`${tar}.new`, packImages([image]));
  renameSync(`${tar}.new`, tar);
  writeFileSync(join(out, `${name}.spdx.json`), billOfMaterials);
  const layers = image.layers.map(({ archive }) => mebibytes(archive.length)).join(' + ');
  const packed = values.measure
    ? `, ${mebibytes(image.layers.reduce((sum, { archive }) => sum + gzipSync(archive).length, 0))} compressed`
    : '';
  process.stdout.write(`${image.name} ${relative(process.cwd(), tar)} ${layers}${packed} ${image.id.slice(7, 19)}\n`);
}

/** All that the engine has not yet, in one archive: it reads layers that it has as slowly as others. */
function loadIntoDocker(images: readonly Image[]): void {
  const missing = images.filter(({ name, id }) => loadedId(name) !== id);
  if (missing.length === 0) return;
  execFileSync('docker', ['load', '--quiet'], { input: packImages(missing), stdio: ['pipe', 'inherit', 'inherit'] });
}

/** Id of the image that the engine has under this name. */
function loadedId(name: string): string | undefined {
  try {
    const format = ['--format', '{{.Id}}', name];
    return execFileSync('docker', ['image', 'inspect', ...format], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

function revisionOf(folder: string): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}
