/** The README of a chart: what it is, and each value with its default. Pure. */
import type { ChartValue } from './chart-values.ts';

export interface ChartDescription {
  readonly name: string;
  readonly description: string;
  /** Folder from the root of the repository. */
  readonly folder: string;
}

export function chartReadme(chart: ChartDescription, values: readonly ChartValue[]): string {
  const rows = values.flatMap((value) => rowsOf(value, ''));
  return [
    `# ${chart.name}`,
    '',
    chart.description,
    '',
    `    helm install ${chart.name} ${chart.folder} -n ambit-system --create-namespace`,
    '',
    '| value | default | meaning |',
    '|---|---|---|',
    ...rows,
    '',
    'Made by tools/charts from `values.yaml`.',
    '',
  ].join('\n');
}

function rowsOf({ name, about, content }: ChartValue, prefix: string): string[] {
  const path = `${prefix}${name}`;
  if (content.kind === 'record' && content.values.length > 0 && content.values.some((value) => value.about !== '')) {
    return content.values.flatMap((value) => rowsOf(value, `${path}.`));
  }
  return [`| \`${path}\` | \`${JSON.stringify(plain(content))}\` | ${about.replaceAll('|', '\\|')} |`];
}

function plain(content: ChartValue['content']): unknown {
  switch (content.kind) {
    case 'scalar':
      return content.value;
    case 'list':
      return content.items;
    case 'record':
      return Object.fromEntries(content.values.map((value) => [value.name, plain(value.content)]));
  }
}
