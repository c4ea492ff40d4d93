/** What of a Telemetry resource is not carried out, and why. Pure. Spec: contract l7 7.1. */
import type { TagSource, Telemetry } from '@ambit/kube';
import { isLabelName, type LogConstants, parseExpression, parseLogFormat } from '@ambit/telemetry';
import { RE2JS } from 're2js';
import type { MeshSettings, TracingProviderSettings } from '../mesh-settings.ts';
import { metricsNamed } from './metric-names.ts';
import { logProviderNamed, providerNamed } from './provider-name.ts';
import { patternProblem } from './usable-pattern.ts';

const maxAddedLabels = 16;
/** More often than that, counting would cost more than the bytes that are counted. */
export const minReportingIntervalMs = 1_000;

/** Why proxies would not evaluate a text. */
export function expressionProblem(text: string): string | undefined {
  const parsed = parseExpression(text, (pattern) => {
    const problem = patternProblem(pattern);
    if (problem !== undefined) throw new RangeError(problem);
    const compiled = RE2JS.compile(pattern);
    return (value) => compiled.matcher(value).find();
  });
  return parsed.kind === 'problem' ? parsed.problem : undefined;
}

/** Why a label would not get its value. */
export function labelProblem(name: string, text: string): string | undefined {
  if (!isLabelName(name)) return 'it is no name for a label';
  return expressionProblem(text);
}

/** In the words of the resource; empty when everything of it is in force. */
export function telemetryProblems({ spec, metadata }: Telemetry, settings: MeshSettings): readonly string[] {
  const { tracingProviders, prometheusProviders } = settings;
  return [
    ...spec.metrics.flatMap(({ providers }, m) =>
      providers
        .filter((name) => !['prometheus', ...prometheusProviders].includes(name.toLowerCase()))
        .map((name) => `metrics[${m}].providers: ${name} is not known here; metrics are there for prometheus only`),
    ),
    ...spec.accessLogging.flatMap(({ providers }, a) =>
      providers
        .flatMap((name) => logProblems(name, settings))
        .map((problem) => `accessLogging[${a}].providers: ${problem}`),
    ),
    ...(isWithoutLogProvider(spec, metadata, settings)
      ? ['accessLogging[0].providers: none is named, and the mesh configuration has no default one']
      : []),
    ...spec.tracing.flatMap(({ providers }, t) =>
      providers
        .flatMap((name, at) => tracerProblems(name, at, tracingProviders))
        .map((problem) => `tracing[${t}].providers: ${problem}`),
    ),
    ...spec.metrics.flatMap(({ reportingIntervalMs }, m) =>
      reportingIntervalMs !== undefined && reportingIntervalMs < minReportingIntervalMs
        ? [`metrics[${m}].reportingInterval: connections are not counted more often than each second`]
        : [],
    ),
    ...spec.metrics.flatMap(({ overrides }, m) =>
      overrides.flatMap((override, o) => overrideProblems(override, `metrics[${m}].overrides[${o}]`)),
    ),
    ...spec.accessLogging.flatMap(({ filter }, a) => {
      const problem = filter === undefined ? undefined : expressionProblem(filter);
      return problem === undefined ? [] : [`accessLogging[${a}].filter: ${problem}; everything is logged`];
    }),
    ...spec.tracing.flatMap(({ tags }, t) =>
      tags.flatMap(([name, source]) =>
        tagProblems(source).map((problem) => `tracing[${t}].customTags.${name}: ${problem}`),
      ),
    ),
  ];
}

function logProblems(name: string, settings: MeshSettings): readonly string[] {
  const provider = logProviderNamed(settings, name);
  if (provider === undefined) return [`${name} is not known here; nothing is logged for it`];
  return provider.ignored.map((problem) => `${name}: ${problem}`);
}

/** Seen only where nothing more general can name one. */
function isWithoutLogProvider(
  { accessLogging, targets, selector }: Telemetry['spec'],
  { namespace }: Telemetry['metadata'],
  { rootNamespace, telemetry }: MeshSettings,
): boolean {
  const isMeshWide =
    namespace === rootNamespace && targets.length === 0 && Object.keys(selector?.matchLabels ?? {}).length === 0;
  return isMeshWide && telemetry.accessLogging.length === 0 && accessLogging[0]?.providers.length === 0;
}

/** Of the provider at a position of a list. */
function tracerProblems(name: string, at: number, known: readonly TracingProviderSettings[]): readonly string[] {
  if (at > 0) return [`${name} is one too many; only the first gets spans`];
  const provider = providerNamed(known, name);
  if (provider === undefined) return [`${name} is no collector of the mesh configuration; it gets no spans`];
  return provider.ignored.map((field) => `${field} of ${name} has no effect`);
}

function tagProblems(source: TagSource): readonly string[] {
  switch (source.kind) {
    case 'formatter':
      return formatProblems(source.format);
    case 'none':
      return ['it has no value'];
    default:
      return [];
  }
}

/** For formats that are looked at here and written elsewhere. */
export const formatConstants: LogConstants = {
  hostname: '',
  environment: () => undefined,
  expression: (text) => (expressionProblem(text) === undefined ? () => undefined : undefined),
};

/** What of a format of tags is not shown. */
function formatProblems(format: string): readonly string[] {
  try {
    const { unknown } = parseLogFormat(format, formatConstants);
    return unknown.map((operator) => `${operator} is not known here; it is shown as missing`);
  } catch (error) {
    return [`${error instanceof Error ? error.message : ''} is not taken`];
  }
}

function overrideProblems(
  { metric, tags }: Telemetry['spec']['metrics'][number]['overrides'][number],
  at: string,
): readonly string[] {
  const unknown = metricsNamed(metric).length > 0 ? [] : [`${at}.match: there is no metric ${metric} here`];
  const added = tags.filter(([, { isRemoved }]) => !isRemoved);
  const many =
    added.length > maxAddedLabels ? [`${at}: more than ${maxAddedLabels} labels; those over it may be missing`] : [];
  const wrong = added.flatMap(([name, { value = '' }]) => {
    const problem = labelProblem(name, value);
    return problem === undefined ? [] : [`${at}.tagOverrides.${name}: ${problem}; the label stays as it was`];
  });
  return [...unknown, ...many, ...wrong];
}
