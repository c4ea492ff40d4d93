import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';
import { type PolicyTarget, readTargets } from './policy-target.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';
import { readSelector, type WorkloadSelector } from './workload-selector.ts';

export interface AccessLoggingSpec {
  /** `CLIENT`, `SERVER` or `CLIENT_AND_SERVER`. */
  readonly mode: string;
  readonly providers: readonly string[];
  readonly isDisabled: boolean;
  /** A CEL expression over the request. */
  readonly filter: string | undefined;
}

export interface MetricOverrideSpec {
  /** `ALL_METRICS`, `REQUEST_COUNT` ..., or a name of its own. */
  readonly metric: string;
  readonly mode: string;
  readonly isDisabled: boolean | undefined;
  readonly tags: readonly (readonly [
    name: string,
    change: { readonly isRemoved: boolean; readonly value: string | undefined },
  ])[];
}

export interface MetricsSpec {
  readonly providers: readonly string[];
  readonly overrides: readonly MetricOverrideSpec[];
  /** Of long connections. */
  readonly reportingIntervalMs: number | undefined;
}

/** Where the value of a tag comes from. `fallback` stands where there is none; empty for no tag then. */
export type TagSource =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'header' | 'environment'; readonly name: string; readonly fallback: string }
  /** With the operators of access logs. */
  | { readonly kind: 'formatter'; readonly format: string }
  | { readonly kind: 'none' };

/** Undefined fields say nothing: what less specific resources say stays. */
export interface TracingSpec {
  /** As of access logs. */
  readonly mode: string;
  readonly providers: readonly string[];
  readonly samplingPercent: number | undefined;
  readonly isDisabled: boolean | undefined;
  /** The decision to sample is read from, and told by, the request id. */
  readonly usesRequestId: boolean | undefined;
  readonly showsIstioTags: boolean | undefined;
  readonly stopsPropagation: boolean | undefined;
  readonly tags: readonly (readonly [name: string, source: TagSource])[];
}

/** What is told about requests. */
export interface Telemetry extends ResourceBase<'Telemetry'> {
  readonly spec: {
    readonly selector: WorkloadSelector | undefined;
    readonly targets: readonly PolicyTarget[];
    readonly accessLogging: readonly AccessLoggingSpec[];
    readonly metrics: readonly MetricsSpec[];
    readonly tracing: readonly TracingSpec[];
  };
  /** Fields that are set and have no effect. */
  readonly unhonoured: readonly string[];
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readTelemetry(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Telemetry {
  const spec = reader.object('spec', (body) => ({
    selector: readSelector(body),
    targets: readTargets(body),
    accessLogging: body.objects('accessLogging', (logging) => {
      return {
        mode: readMode(logging),
        providers: readProviders(logging),
        isDisabled: logging.boolean('disabled') ?? false,
        filter: logging.object('filter', (filter) => filter.string('expression')),
      };
    }),
    metrics: body.objects('metrics', (metrics) => ({
      providers: readProviders(metrics),
      overrides: metrics.objects('overrides', readOverride),
      reportingIntervalMs: readDuration(metrics, 'reportingInterval'),
    })),
    tracing: body.objects('tracing', readTracing),
  }));
  return {
    kind: 'Telemetry',
    metadata,
    origin,
    spec: spec ?? { selector: undefined, targets: [], accessLogging: [], metrics: [], tracing: [] },
    unhonoured: reader.unhonoured,
    status: { conditions: readConditions(reader) },
  };
}

function readMode(reader: ObjectReader): string {
  return reader.object('match', (match) => match.string('mode')) ?? 'CLIENT_AND_SERVER';
}

function readProviders(reader: ObjectReader): readonly string[] {
  return reader.objects('providers', (provider) => provider.requiredString('name'));
}

function readOverride(reader: ObjectReader): MetricOverrideSpec {
  const match = reader.object('match', (body) => ({
    metric: body.string('metric') ?? body.string('customMetric') ?? 'ALL_METRICS',
    mode: body.string('mode') ?? 'CLIENT_AND_SERVER',
  }));
  return {
    ...(match ?? { metric: 'ALL_METRICS', mode: 'CLIENT_AND_SERVER' }),
    isDisabled: reader.boolean('disabled'),
    tags: reader.objectMap('tagOverrides', (tag, name) => [
      name,
      { isRemoved: tag.string('operation') === 'REMOVE', value: tag.string('value') },
    ]),
  };
}

function readTracing(reader: ObjectReader): TracingSpec {
  return {
    mode: readMode(reader),
    providers: readProviders(reader),
    samplingPercent: reader.number('randomSamplingPercentage', 0, 100),
    isDisabled: reader.boolean('disableSpanReporting'),
    usesRequestId: reader.boolean('useRequestIdForTraceSampling'),
    showsIstioTags: reader.boolean('enableIstioTags'),
    stopsPropagation: reader.boolean('disableContextPropagation'),
    tags: reader.objectMap('customTags', (tag, name) => [name, readTag(tag)]),
  };
}

function readTag(tag: ObjectReader): TagSource {
  const named = (kind: 'header' | 'environment'): TagSource | undefined =>
    tag.object(kind, (source) => ({
      kind,
      name: source.requiredString('name'),
      fallback: source.string('defaultValue') ?? '',
    }));
  return (
    tag.object('literal', (literal): TagSource => ({ kind: 'literal', value: literal.string('value') ?? '' })) ??
    named('header') ??
    named('environment') ??
    tag.object('formatter', (formatter): TagSource => ({
      kind: 'formatter',
      format: formatter.requiredString('value'),
    })) ?? {
      kind: 'none',
    }
  );
}
