/**
 * Images as one tar that container engines load: an OCI layout (containerd, podman, skopeo) which also carries the
 * index of older Docker engines. Same layers and settings, same bytes.
 */
import { createHash } from 'node:crypto';
import { writeTar, type TarEntry } from './tar-entries.ts';

/** One layer, uncompressed: engines and registries compress it when they push it. */
export interface Layer {
  readonly archive: Buffer;
  /** `sha256:...` of the archive. */
  readonly digest: string;
  readonly createdBy: string;
}

/** How a container of the image runs. */
export interface ImageSettings {
  readonly architecture: 'amd64' | 'arm64';
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
}

/** An image, not packed yet. */
export interface Image {
  readonly name: string;
  /** Digest of its configuration: what `docker images` shows as its id. */
  readonly id: string;
  readonly architecture: 'amd64' | 'arm64';
  readonly layers: readonly Layer[];
  readonly config: Buffer;
  readonly manifest: Buffer;
}

export function makeLayer(entries: readonly TarEntry[], createdBy: string): Layer {
  const archive = writeTar(entries);
  return { archive, digest: digestOf(archive), createdBy };
}

/** Spec: OCI image format 1.1. */
export function makeImage(name: string, layers: readonly Layer[], settings: ImageSettings): Image {
  const config = json(imageConfig(layers, settings));
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map(({ archive, digest }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest,
      size: archive.length,
    })),
  });
  return { name, id: digestOf(config), architecture: settings.architecture, layers, config, manifest };
}

/** One archive of one or more images; layers that they share are in it once. Spec: also Docker image specification 1.2. */
export function packImages(images: readonly Image[]): Buffer {
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: images.map(({ name, architecture, manifest }) => ({
      ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
      platform: { architecture, os: 'linux' },
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
      },
    })),
  });
  const docker = json(
    images.map(({ name, id, layers }) => ({
      Config: blobPath(id),
      RepoTags: [name],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    })),
  );
  const blobs = new Map<string, Buffer>();
  for (const { id, config, manifest, layers } of images) {
    blobs.set(id, config).set(digestOf(manifest), manifest);
    for (const { digest, archive } of layers) blobs.set(digest, archive);
  }
  return writeTar([
    file('index.json', index),
    file('manifest.json', docker),
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    ...[...blobs].map(([digest, blob]) => file(blobPath(digest), blob)),
  ]);
}

const EPOCH = '1970-01-01T00:00:00Z';

function imageConfig(layers: readonly Layer[], settings: ImageSettings): object {
  const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...settings.environment };
  return {
    created: EPOCH,
    architecture: settings.architecture,
    os: 'linux',
    config: {
      User: settings.user,
      ExposedPorts: Object.fromEntries(settings.ports.map((port) => [`${port}/tcp`, {}])),
      Env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
      Entrypoint: settings.entrypoint,
      WorkingDir: '/',
      Labels: settings.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    history: layers.map(({ createdBy }) => ({ created: EPOCH, created_by: createdBy })),
  };
}

function descriptor(mediaType: string, blob: Buffer): object {
  return { mediaType, digest: digestOf(blob), size: blob.length };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function file(path: string, content: Buffer): TarEntry {
  return { kind: 'file', path, mode: 0o644, content };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(data: Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}
