/** Everything in `charts/` that is made from something else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readChartValues, type ChartValue } from './chart-values.ts';
import { definitionFiles } from './custom-resources.ts';
import { valuesSchema } from './values-schema.ts';
import { chartReadme } from './values-table.ts';

const UMBRELLA = 'charts/ambit';

/** The charts inside the umbrella, which can also be installed alone. */
export const INNER_CHARTS: readonly string[] = ['control-plane', 'ca', 'cni-agent', 'ztunnel', 'nats'];

/** Folders of all charts. */
export const CHART_FOLDERS: readonly string[] = [
  UMBRELLA,
  ...INNER_CHARTS.map((name) => `${UMBRELLA}/charts/${name}`),
  'charts/ambit-crds',
];

/** Path from the root of the repository to text. */
export function generatedFiles(root: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, text] of definitionFiles()) files.set(`charts/ambit-crds/definitions/${name}`, text);
  const valuesOf = (folder: string): readonly ChartValue[] =>
    readChartValues(readFileSync(join(root, folder, 'values.yaml'), 'utf8'));
  const global = valuesOf(UMBRELLA).find(({ name }) => name === 'global');
  if (global?.content.kind !== 'record') throw new Error(`${UMBRELLA}/values.yaml has no global values`);
  for (const folder of CHART_FOLDERS) {
    const values = valuesOf(folder);
    // Written in this repository.
    const chart = parse(readFileSync(join(root, folder, 'Chart.yaml'), 'utf8')) as {
      name: string;
      description: string;
    };
    const schema = valuesSchema(values, {
      title: `Values of the chart ${chart.name}`,
      global: global.content.values,
      charts: folder === UMBRELLA ? INNER_CHARTS : [],
    });
    files.set(`${folder}/values.schema.json`, `${JSON.stringify(schema, null, 2)}\n`);
    files.set(`${folder}/README.md`, chartReadme({ ...chart, folder }, values));
  }
  return files;
}
