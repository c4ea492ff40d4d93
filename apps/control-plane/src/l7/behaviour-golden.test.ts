/** Tables of behaviour (`@ambit/testing`): what is derived from their resources, which the waypoint's tests then decide by. */
import { test } from 'node:test';
import { formatReport, parseManifests, ResourceTable } from '@ambit/kube';
import { assertGolden, type BehaviourTable, behaviourTables, derivedFile, manifestsOf } from '@ambit/testing';
import { stringify } from 'yaml';
import { AddressAllocator } from '../allocate/address-allocator.ts';
import { meshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { describeL7 } from './describe-l7.ts';

function derive(table: BehaviourTable): string {
  const { resources, reports } = parseManifests(
    `${table.name}.yaml`,
    manifestsOf(table, { waypointAddress: '10.96.0.9' }),
  );
  const sources = new ResourceTable([...resources]);
  const mesh = meshCollections({ ...defaultMeshSettings, ...table.settings });
  mesh.graph.update(() => {
    loadSources(mesh.sources, sources);
    mesh.sources.allocations.replace(new AddressAllocator().assign(sources.list('ServiceEntry')));
  });
  const described = { ...describeL7(mesh.l7), reports: reports.map(formatReport) };
  return stringify(described, { aliasDuplicateObjects: false, lineWidth: 0 });
}

for (const table of behaviourTables('')) {
  test(`golden ${table.name}: the resources of ${table.entries.length} services give exactly these messages`, () => {
    assertGolden(derivedFile(table), derive(table));
  });
}
