/** What Telemetry resources say of spans, laid over each other. Pure. Spec: contract l7 7.1, 7.4. */
import { proxy } from '@ambit/api';
import type { TagSource, TracingSpec } from '@ambit/kube';
import type { TelemetryDefaults } from '../mesh-settings.ts';
import { create, type MessageInitShape } from '@bufbuild/protobuf';

/** Of the mesh configuration, with the service that it is. */
export interface TracingProvider {
  readonly collector: proxy.Telemetry_Collector;
  readonly maxUrlChars: number;
}

/** Each field that is set counts over those of entries before. Without a collector that is known nothing is traced. */
export function tracingSettings(
  entries: readonly TracingSpec[],
  defaults: TelemetryDefaults,
  providerOf: (name: string) => TracingProvider | undefined,
): proxy.Telemetry_Tracing | undefined {
  if (entries.length + defaults.tracing.length === 0) return undefined;
  const last = <T>(of: (entry: TracingSpec) => T | undefined): T | undefined =>
    entries.map(of).findLast((value) => value !== undefined);
  const name = last(({ providers }) => providers[0]) ?? defaults.tracing[0];
  const provider = name === undefined ? undefined : providerOf(name);
  const tags = last(({ tags: own }) => (own.length === 0 ? undefined : own)) ?? defaults.tags;
  return create(proxy.Telemetry_TracingSchema, {
    enabled: last(({ isDisabled }) => isDisabled) !== true && provider !== undefined,
    ...(provider === undefined
      ? {}
      : { collector: provider.collector, maxUrlChars: provider.maxUrlChars || defaults.maxUrlChars }),
    samplePerTenThousand: Math.round(
      (last(({ samplingPercent }) => samplingPercent) ?? defaults.samplingPercent) * 100,
    ),
    ignoresRequestId: last(({ usesRequestId }) => usesRequestId) === false,
    omitsIstioTags: last(({ showsIstioTags }) => showsIstioTags) === false,
    stopsPropagation: last(({ stopsPropagation }) => stopsPropagation) === true,
    tags: tags.flatMap(([name, source]) => {
      const sent = tagSource(source);
      return sent === undefined ? [] : [{ name, source: sent }];
    }),
  });
}

function tagSource(source: TagSource): MessageInitShape<typeof proxy.Telemetry_TagSchema>['source'] {
  switch (source.kind) {
    case 'literal':
      return { case: 'literal', value: source.value };
    case 'header':
      return { case: 'header', value: { name: source.name, fallback: source.fallback } };
    case 'environment':
      return { case: 'environment', value: { name: source.name, fallback: source.fallback } };
    case 'formatter':
      return { case: 'format', value: source.format };
    case 'none':
      return undefined;
  }
}
