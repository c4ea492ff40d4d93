/**
 * Writes container images without an engine, in the form that `docker load` and `ctr images import` take. The same
 * parts give the same bytes.
 * Spec: Docker image specification v1.2, "combined image JSON + filesystem changeset format".
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { readLayer, type LayerSource } from './layer-source.ts';
import { tarLayer, type TarEntry } from './tar-layer.ts';

export interface ImageDescription {
  /** `NAME:TAG`. A host name `localhost` can never be pulled from a registry by mistake. */
  readonly name: string;
  /** From the lowest layer up. */
  readonly layers: readonly LayerSource[];
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  /** `KEY=value`; a `PATH` is always there. */
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workFolder?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const EPOCH = '1970-01-01T00:00:00Z';
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Writes `file` whole or not at all. */
export function writeImage(file: string, image: ImageDescription): void {
  const layers = image.layers.map((source) => {
    const content = readLayer(source);
    return { content, digest: digest(content) };
  });
  const config = Buffer.from(
    JSON.stringify(
      imageConfig(
        image,
        layers.map((layer) => layer.digest),
      ),
    ),
  );
  const configName = `${digest([config])}.json`;
  const layerName = (hash: string): string => `${hash}/layer.tar`;
  const manifest = [
    { Config: configName, RepoTags: [image.name], Layers: layers.map((layer) => layerName(layer.digest)) },
  ];
  const entries: readonly TarEntry[] = [
    { kind: 'file', path: configName, mode: 0o644, content: config },
    // A layer that appears twice is stored once.
    ...new Map(
      layers.map((layer): [string, TarEntry] => {
        const path = layerName(layer.digest);
        return [path, { kind: 'file', path, mode: 0o644, content: Buffer.concat(layer.content) }];
      }),
    ).values(),
    { kind: 'file', path: 'manifest.json', mode: 0o644, content: Buffer.from(JSON.stringify(manifest)) },
  ];
  const output = openSync(`${file}.new`, 'w', 0o644);
  try {
    for (const piece of tarLayer(entries)) writeWhole(output, piece);
  } finally {
    closeSync(output);
  }
  renameSync(`${file}.new`, file);
}

function imageConfig(image: ImageDescription, digests: readonly string[]): unknown {
  return {
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    created: EPOCH,
    config: {
      Env: [PATH, ...(image.environment ?? [])],
      Entrypoint: image.entrypoint ?? null,
      Cmd: image.command ?? null,
      User: image.user ?? '',
      WorkingDir: image.workFolder ?? '/',
      Labels: image.labels ?? {},
    },
    rootfs: { type: 'layers', diff_ids: digests.map((hash) => `sha256:${hash}`) },
    history: digests.map(() => ({ created: EPOCH })),
  };
}

function digest(pieces: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

function writeWhole(file: number, content: Buffer): void {
  for (let at = 0; at < content.length;) at += writeSync(file, content, at);
}
