/**
 * Text of a scrape. One text serves both content types, as observed from Istio's ztunnel: HELP and TYPE name a counter
 * without `_total`, samples carry it, and `# EOF` ends the text.
 * Istio: contract/data-plane.md 7.1. Spec: OpenMetrics 1.0.
 */
import type { FamilyDescriptor } from './metric-announcement.ts';
import type { FamilySnapshot, SeriesSnapshot } from './metric-view.ts';

/** Renders the families; families without series are not in `families`. */
export function renderExposition(families: Iterable<FamilySnapshot>): string {
  const lines: string[] = [];
  for (const { descriptor, series } of families) {
    const { name, kind, help } = descriptor;
    lines.push(`# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`);
    for (const one of series) {
      if (kind === 'histogram') pushHistogram(lines, descriptor, one);
      else lines.push(sample(kind === 'counter' ? `${name}_total` : name, one.labelText, one.values[0] ?? 0));
    }
  }
  lines.push('# EOF\n');
  return lines.join('');
}

function pushHistogram(lines: string[], { name, boundaries }: FamilyDescriptor, series: SeriesSnapshot): void {
  const { labelText, values } = series;
  let count = 0;
  for (let bucket = 1; bucket < values.length; bucket += 1) count += values[bucket] ?? 0;
  lines.push(`${name}_sum${braces(labelText)} ${formatDecimal(values[0] ?? 0)}\n`);
  lines.push(sample(`${name}_count`, labelText, count));
  let cumulative = 0;
  const rest = labelText === '' ? '' : `,${labelText}`;
  for (let bucket = 0; bucket <= boundaries.length; bucket += 1) {
    cumulative += values[bucket + 1] ?? 0;
    const boundary = boundaries[bucket];
    const le = boundary === undefined ? '+Inf' : formatDecimal(boundary);
    lines.push(sample(`${name}_bucket`, `le="${le}"${rest}`, cumulative));
  }
}

function sample(name: string, labelText: string, value: number): string {
  return `${name}${braces(labelText)} ${formatValue(value)}\n`;
}

function braces(labelText: string): string {
  return labelText === '' ? '' : `{${labelText}}`;
}

/** Integers without a point; the non-finite words of the text format. */
function formatValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

/** As Istio's ztunnel writes bounds and sums: always with a point. */
function formatDecimal(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : formatValue(value);
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
