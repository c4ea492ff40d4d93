/** What is in an image, as SPDX: the npm packages inside its bundle, Node, and the Debian packages its files come from. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { DebianPackage } from './debian-packages.ts';

/** A package that was bundled into the app. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** Everything that goes into one image. */
export interface ImageContents {
  readonly name: string;
  readonly version: string;
  /** Digest of its layers; makes the document's name unique without a clock. */
  readonly digest: string;
  /** Absent in an image without Node. */
  readonly nodeVersion: string | undefined;
  readonly npm: readonly NpmPackage[];
  readonly debian: readonly DebianPackage[];
}

/** The packages whose code the bundle holds, by the source maps beside it. Sorted. */
export function bundledPackages(bundleFolder: string): NpmPackage[] {
  const folders = new Set<string>();
  for (const map of globSync('*.map', { cwd: bundleFolder })) {
    // Written by the bundler a moment ago.
    const { sources } = JSON.parse(readFileSync(join(bundleFolder, map), 'utf8')) as { sources: readonly string[] };
    for (const source of sources) {
      const match = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(
        resolve(dirname(join(bundleFolder, map)), source),
      );
      if (match !== null) folders.add(match[0]);
    }
  }
  const packages = [...folders].map((folder): NpmPackage => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Partial<NpmPackage>;
    return {
      name: manifest.name ?? folder,
      version: manifest.version ?? '0.0.0',
      license: typeof manifest.license === 'string' ? manifest.license : 'NOASSERTION',
    };
  });
  return packages.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function key(item: NpmPackage): string {
  return `${item.name}@${item.version}`;
}

/** An SPDX 2.3 document. Two images with the same content have the same document. */
export function spdxDocument(contents: ImageContents): string {
  const node = contents.nodeVersion;
  const image = {
    ...packageRecord('Image', contents.name, contents.version, 'Apache-2.0'),
    primaryPackagePurpose: 'CONTAINER',
  };
  const parts = [
    ...(node === undefined ? [] : [packageRecord('Node', 'node', node, 'MIT', `pkg:generic/node@${node}`)]),
    ...contents.npm.map((item) => packageRecord('npm', item.name, item.version, item.license, npmUrl(item))),
    ...contents.debian.map((item) => packageRecord('deb', item.name, item.version, 'NOASSERTION', debianUrl(item))),
  ];
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${contents.name}-${contents.version}`,
    documentNamespace: `https://ambit.dev/spdx/${contents.name}/${contents.digest.replace(':', '-')}`,
    // The content decides; when it was built does not matter.
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: ['Tool: ambit-images'] },
    packages: [image, ...parts],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: image.SPDXID },
      ...parts.map((part) => ({
        spdxElementId: image.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: part.SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

interface PackageRecord {
  readonly SPDXID: string;
}

function packageRecord(
  origin: string,
  name: string,
  version: string,
  license: string,
  url?: string,
): PackageRecord & Readonly<Record<string, unknown>> {
  return {
    SPDXID: `SPDXRef-${origin}-${`${name}-${version}`.replaceAll(/[^0-9A-Za-z.-]/g, '-')}`,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license,
    copyrightText: 'NOASSERTION',
    ...(url === undefined
      ? {}
      : { externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: url }] }),
  };
}

/** Spec: package URL. */
function npmUrl({ name, version }: NpmPackage): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

function debianUrl({ name, version, architecture }: DebianPackage): string {
  return `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
}
