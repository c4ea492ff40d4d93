import { readFileVersion } from './file-version.ts';
import { ObjectCatalogue } from './object-catalogue.ts';
import { compareReports, type SourceReport } from './report.ts';
import type { Resource } from './resource.ts';

/** Resources of one text of YAML documents, and what is wrong with it. `file` is only a name for messages. */
export function parseManifests(
  file: string,
  text: string,
): { readonly resources: readonly Resource[]; readonly reports: readonly SourceReport[] } {
  const { resources, reports } = new ObjectCatalogue().combine([readFileVersion(file, text, undefined)], []);
  return { resources: [...resources], reports: reports.toSorted(compareReports) };
}
