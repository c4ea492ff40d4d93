/** Where a layer of an image comes from, and its entries. */
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { KubeLabError } from '../kube-lab-error.ts';
import { tarLayer, type TarEntry } from './tar-layer.ts';

/** A folder's content, one file, or an archive as it is. */
export type LayerSource =
  | { readonly kind: 'folder'; readonly folder: string; readonly destination: string }
  | { readonly kind: 'file'; readonly file: string; readonly destination: string }
  | { readonly kind: 'archive'; readonly file: string };

/**
 * Reads `FOLDER`, `FOLDER:/DESTINATION`, `FILE:/DESTINATION` or `LAYER.tar[.gz]`.
 * @throws KubeLabError `BAD_ARGUMENT` when there is no such file
 */
export function parseLayerSource(text: string): LayerSource {
  const at = text.indexOf(':/');
  const source = at < 0 ? text : text.slice(0, at);
  const destination = at < 0 ? '' : text.slice(at + 2).replace(/^\/+|\/+$/g, '');
  const status = statSync(source, { throwIfNoEntry: false });
  if (status === undefined) throw new KubeLabError('BAD_ARGUMENT', `image part ${text}: there is no ${source}`);
  if (status.isDirectory()) return { kind: 'folder', folder: source, destination };
  return destination === '' ? { kind: 'archive', file: source } : { kind: 'file', file: source, destination };
}

/** @returns the layer's uncompressed archive in pieces */
export function readLayer(source: LayerSource): readonly Buffer[] {
  switch (source.kind) {
    case 'archive': {
      const content = readFileSync(source.file);
      return [content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content];
    }
    case 'file':
      return tarLayer([...parents(posix.dirname(source.destination)), readEntry(source.file, source.destination)]);
    case 'folder':
      return tarLayer([...parents(source.destination), ...readFolder(source.folder, source.destination)]);
  }
}

/** Some unpackers refuse a file whose folder was not named before. */
function parents(path: string): TarEntry[] {
  const words = path.split('/').filter((word) => word !== '' && word !== '.');
  return words.map((_, index) => ({ kind: 'folder', path: words.slice(0, index + 1).join('/'), mode: 0o755 }));
}

function readFolder(folder: string, destination: string): TarEntry[] {
  return readdirSync(folder)
    .toSorted()
    .flatMap((name) => {
      const source = posix.join(folder, name);
      const path = posix.join(destination, name);
      const entry = readEntry(source, path);
      return entry.kind === 'folder' ? [entry, ...readFolder(source, path)] : [entry];
    });
}

/** @throws KubeLabError `BAD_ARGUMENT` for sockets, devices and pipes */
function readEntry(source: string, path: string): TarEntry {
  const status = lstatSync(source);
  if (status.isSymbolicLink()) return { kind: 'link', path, target: readlinkSync(source) };
  if (status.isDirectory()) return { kind: 'folder', path, mode: status.mode };
  if (status.isFile()) return { kind: 'file', path, mode: status.mode, content: readFileSync(source) };
  throw new KubeLabError('BAD_ARGUMENT', `${source} is neither file, folder nor link; an image cannot hold it`);
}
