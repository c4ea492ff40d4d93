/**
 * An image as one tar that container engines load: an OCI layout (containerd, podman, skopeo) which also carries the
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

/** The finished archive. */
export interface ImageArchive {
  readonly archive: Buffer;
  /** Digest of the image's configuration: what `docker images` shows as its id. */
  readonly id: string;
}

export function makeLayer(entries: readonly TarEntry[], createdBy: string): Layer {
  const archive = writeTar(entries);
  return { archive, digest: digestOf(archive), createdBy };
}

/** Spec: OCI image format 1.1; Docker image specification 1.2 for `manifest.json`. */
export function makeImageArchive(name: string, layers: readonly Layer[], settings: ImageSettings): ImageArchive {
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
  const tag = name.slice(name.lastIndexOf(':') + 1);
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        platform: { architecture: settings.architecture, os: 'linux' },
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
      },
    ],
  });
  const docker = json([
    {
      Config: blobPath(digestOf(config)),
      RepoTags: [name],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    },
  ]);
  const blobs = new Map(
    [config, manifest, ...layers.map(({ archive }) => archive)].map((blob) => [digestOf(blob), blob]),
  );
  const archive = writeTar([
    file('index.json', index),
    file('manifest.json', docker),
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    ...[...blobs].map(([digest, blob]) => file(blobPath(digest), blob)),
  ]);
  return { archive, id: digestOf(config) };
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
