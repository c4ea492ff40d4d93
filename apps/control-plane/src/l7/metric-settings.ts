/** What Telemetry resources say of metrics, laid over each other as Istio does. Pure. Spec: contract l7 7.1. */
import { proxy } from '@ambit/api';
import type { MetricOverrideSpec, MetricsSpec } from '@ambit/kube';
import { create, equals } from '@bufbuild/protobuf';
import { allMetrics, metricsNamed, standardMetrics } from './metric-names.ts';
import { labelProblem, minReportingIntervalMs } from './telemetry-problems.ts';

type LabelChange = MetricOverrideSpec['tags'][number][1];

/** Of one metric; undefined says nothing. */
interface Merged {
  isDisabled: boolean | undefined;
  readonly labels: Map<string, LabelChange>;
}

export interface MetricSettings {
  readonly isDisabled: boolean;
  readonly overrides: readonly proxy.Telemetry_MetricOverride[];
  readonly reportingIntervalMs: number | undefined;
}

/**
 * Entries that name providers replace those of entries before; the others are for the providers of the one before. What is for
 * none of the providers in the end does not count. `isPrometheus`: of providers that there are.
 */
export function metricSettings(
  entries: readonly MetricsSpec[],
  defaultProviders: readonly string[],
  isPrometheus: (provider: string) => boolean,
  isMeant: (mode: string) => boolean,
): MetricSettings {
  const inScope = entries.findLast(({ providers }) => providers.length > 0)?.providers ?? defaultProviders;
  if (!inScope.some(isPrometheus)) return { isDisabled: true, overrides: [], reportingIntervalMs: undefined };
  const counted = countedEntries(entries, defaultProviders, (name) => isPrometheus(name) && inScope.includes(name));
  const merged = new Map<string, Merged>(
    standardMetrics.map((metric) => [metric, { isDisabled: undefined, labels: new Map() }]),
  );
  let isDisabled = false;
  for (const override of counted.flatMap(({ overrides }) => overrides)) {
    if (!isMeant(override.mode)) continue;
    // All of them are off until anything else is said of any.
    isDisabled = override.metric === allMetrics && override.isDisabled === true;
    if (!isDisabled) for (const metric of metricsNamed(override.metric)) merge(merged.get(metric), override);
  }
  return {
    isDisabled,
    overrides: isDisabled ? [] : overridesOf(merged),
    reportingIntervalMs: reportingInterval(counted),
  };
}

function countedEntries(
  entries: readonly MetricsSpec[],
  defaultProviders: readonly string[],
  isCounted: (provider: string) => boolean,
): readonly MetricsSpec[] {
  let providers = defaultProviders;
  return entries.filter((entry) => {
    if (entry.providers.length > 0) ({ providers } = entry);
    return providers.some(isCounted);
  });
}

function merge(metric: Merged | undefined, { isDisabled, tags }: MetricOverrideSpec): void {
  if (metric === undefined) return;
  metric.isDisabled = isDisabled ?? metric.isDisabled;
  for (const [label, change] of tags) {
    if (change.isRemoved || (change.value !== undefined && labelProblem(label, change.value) === undefined))
      metric.labels.set(label, change);
  }
}

/** One for all when it is the same of all. */
function overridesOf(merged: ReadonlyMap<string, Merged>): readonly proxy.Telemetry_MetricOverride[] {
  const overrides = [...merged].map(([metric, one]) => override(metric, one));
  const [first, ...others] = overrides;
  if (first !== undefined && others.every((one) => isAlike(one, first)))
    return isSaying(first) ? [{ ...first, metric: allMetrics }] : [];
  return overrides.filter(isSaying);
}

function override(metric: string, { isDisabled, labels }: Merged): proxy.Telemetry_MetricOverride {
  return create(proxy.Telemetry_MetricOverrideSchema, {
    metric,
    disabled: isDisabled ?? false,
    removedLabels: [...labels].flatMap(([label, { isRemoved }]) => (isRemoved ? [label] : [])),
    addedLabels: Object.fromEntries(
      [...labels].flatMap(([label, { isRemoved, value }]) =>
        isRemoved || value === undefined ? [] : [[label, value]],
      ),
    ),
  });
}

function isSaying({ disabled, removedLabels, addedLabels }: proxy.Telemetry_MetricOverride): boolean {
  return disabled || removedLabels.length + Object.keys(addedLabels).length > 0;
}

function isAlike(a: proxy.Telemetry_MetricOverride, b: proxy.Telemetry_MetricOverride): boolean {
  return equals(proxy.Telemetry_MetricOverrideSchema, a, { ...b, metric: a.metric });
}

function reportingInterval(entries: readonly MetricsSpec[]): number | undefined {
  const interval = entries.map(({ reportingIntervalMs }) => reportingIntervalMs).findLast((ms) => ms !== undefined);
  return interval === undefined ? undefined : Math.max(interval, minReportingIntervalMs);
}
