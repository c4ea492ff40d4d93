import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { compareText } from '@ambit/collections';
import { compareReports, formatReport, parseManifests, ResourceTable, type SourceReport } from '@ambit/kube';
import { assertGolden } from '@ambit/testing';
import { stringify } from 'yaml';
import { AddressAllocator } from '../allocate/address-allocator.ts';
import { meshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings, type MeshSettings } from '../mesh-settings.ts';
import { describeL7 } from './describe-l7.ts';

const testdata = join(import.meta.dirname, '../../testdata/l7');

/** `# settings: {...}` in the first lines of a case is laid over the default settings. */
function settingsOf(text: string): MeshSettings {
  const [, json = '{}'] = /^# settings: (\{.*\})$/m.exec(text) ?? [];
  return { ...defaultMeshSettings, ...JSON.parse(json) };
}

/** Every case stands in these surroundings, so that it can be about one thing. */
const surroundings = readFileSync(join(testdata, 'surroundings.yaml'), 'utf8');

function derive(file: string, text: string): string {
  const common = parseManifests('surroundings.yaml', surroundings);
  const { resources, reports } = parseManifests(file, text);
  const table = new ResourceTable([...common.resources, ...resources]);
  const mesh = meshCollections(settingsOf(text));
  mesh.graph.update(() => {
    loadSources(mesh.sources, table);
    mesh.sources.allocations.replace(new AddressAllocator().assign(table.list('ServiceEntry')));
  });
  const all: readonly SourceReport[] = [...reports, ...mesh.findings.values()].toSorted(compareReports);
  const statuses = [...mesh.statuses.entries()]
    .filter(([, { kind }]) => kind !== 'Service' && kind !== 'ServiceEntry')
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([, write]) => write);
  return stringify(
    { ...describeL7(mesh.l7), statuses, reports: all.map(formatReport) },
    { aliasDuplicateObjects: false, lineWidth: 0 },
  );
}

const inputs = globSync(join(testdata, '*.in.yaml')).toSorted();

test('there are golden cases of L7', () => assert.ok(inputs.length >= 10));

for (const input of inputs) {
  const name = basename(input, '.in.yaml');
  const output = join(testdata, `${name}.out.yaml`);
  test(`golden ${name}: resources give exactly these proxies, destinations and statuses`, () => {
    assertGolden(output, derive(basename(input), readFileSync(input, 'utf8')));
  });
}
