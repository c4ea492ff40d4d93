import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { compareText } from '@ambit/collections';
import {
  formatReport,
  parseManifests,
  resourceKinds,
  ResourceTable,
  type SourceReport,
  compareReports,
} from '@ambit/kube';
import { assertGolden } from '@ambit/testing';
import { stringify } from 'yaml';
import { AddressAllocator } from '../allocate/address-allocator.ts';
import { defaultMeshSettings, type MeshSettings } from '../mesh-settings.ts';
import { describeMesh } from './describe-mesh.ts';
import { meshCollections } from './mesh-collections.ts';
import { loadSources } from './mesh-sources.ts';

const testdata = join(import.meta.dirname, '../../testdata');

/** `# settings: {...}` in the first lines of a case is laid over the default settings. */
function settingsOf(text: string): MeshSettings {
  const [, json = '{}'] = /^# settings: (\{.*\})$/m.exec(text) ?? [];
  return { ...defaultMeshSettings, ...JSON.parse(json) };
}

function derive(file: string, text: string): string {
  const { resources, reports } = parseManifests(file, text);
  const table = new ResourceTable(resources);
  const mesh = meshCollections(settingsOf(text));
  mesh.graph.update(() => {
    loadSources(mesh.sources, table);
    mesh.sources.allocations.replace(new AddressAllocator().assign(table.list('ServiceEntry')));
  });
  const all: readonly SourceReport[] = [...reports, ...mesh.findings.values()].toSorted(compareReports);
  const statuses = [...mesh.statuses.entries()].toSorted(([a], [b]) => compareText(a, b)).map(([, write]) => write);
  return stringify(
    { ...describeMesh(mesh), statuses, reports: all.map(formatReport) },
    { aliasDuplicateObjects: false, lineWidth: 0 },
  );
}

const inputs = globSync(join(testdata, '*.in.yaml')).toSorted();
const l7Inputs = globSync(join(testdata, 'l7/*.in.yaml')).toSorted();

test('there are golden cases', () => assert.ok(inputs.length >= 20));

for (const input of inputs) {
  const name = basename(input, '.in.yaml');
  const output = join(testdata, `${name}.out.yaml`);
  test(`golden ${name}: resources give exactly this mesh and these reports`, () => {
    assertGolden(output, derive(basename(input), readFileSync(input, 'utf8')));
  });
}

test('every kind of resource occurs in a golden case', () => {
  const seen = new Set(
    [...inputs, ...l7Inputs].flatMap((input) =>
      parseManifests(input, readFileSync(input, 'utf8')).resources.map(({ kind }) => kind),
    ),
  );
  assert.deepEqual([...seen].toSorted(), [...resourceKinds]);
});
