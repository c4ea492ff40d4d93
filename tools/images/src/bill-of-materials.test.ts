import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { bundledPackages, spdxDocument } from './bill-of-materials.ts';

/** The part of a document that is looked at. */
interface SpdxPart {
  readonly spdxVersion: string;
  readonly packages: readonly {
    readonly SPDXID: string;
    readonly externalRefs?: readonly { readonly referenceLocator: string }[];
  }[];
  readonly relationships: readonly unknown[];
}

test('the packages of a bundle are those its source maps name', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-images-'));
  const write = (path: string, value: unknown): void => {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), JSON.stringify(value));
  };
  write('node_modules/pino/package.json', { name: 'pino', version: '10.4.0', license: 'MIT' });
  write('node_modules/@scope/deep/package.json', { name: '@scope/deep', version: '1.0.0', license: 'Apache-2.0' });
  write('node_modules/pino/node_modules/inner/package.json', { name: 'inner', version: '2.0.0' });
  write('dist/main.mjs.map', {
    sources: ['../src/main.ts', '../node_modules/pino/lib/a.js', '../node_modules/pino/node_modules/inner/index.js'],
  });
  write('dist/worker.mjs.map', { sources: ['../node_modules/@scope/deep/b.js', '../node_modules/pino/lib/c.js'] });
  assert.deepEqual(bundledPackages(join(folder.path, 'dist')), [
    { name: '@scope/deep', version: '1.0.0', license: 'Apache-2.0' },
    { name: 'inner', version: '2.0.0', license: 'NOASSERTION' },
    { name: 'pino', version: '10.4.0', license: 'MIT' },
  ]);
});

test('a bill of materials names every package by its URL, and is the same for the same content', () => {
  const contents = {
    name: 'ca',
    version: '1.0.0',
    digest: 'sha256:00',
    nodeVersion: '26.10.0',
    npm: [{ name: '@scope/deep', version: '1.0.0', license: 'MIT' }],
    debian: [
      {
        name: 'libstdc++6',
        version: '12.2.0-14',
        architecture: 'amd64',
        source: 'gcc-12',
        control: 'Package: libstdc++6\n',
      },
    ],
  };
  const document: SpdxPart = JSON.parse(spdxDocument(contents));
  assert.equal(document.spdxVersion, 'SPDX-2.3');
  const urls = document.packages
    .flatMap(({ externalRefs }) => externalRefs ?? [])
    .map(({ referenceLocator }) => referenceLocator);
  assert.deepEqual(urls, [
    'pkg:generic/node@26.10.0',
    'pkg:npm/%40scope/deep@1.0.0',
    'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64',
  ]);
  const ids = document.packages.map(({ SPDXID }) => SPDXID);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^SPDXRef-[0-9A-Za-z.-]+$/);
  assert.equal(document.relationships.length, ids.length);
  assert.equal(spdxDocument(contents), spdxDocument(contents));
});
