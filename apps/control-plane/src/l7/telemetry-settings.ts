/** The Telemetry API at L7 proxies. Spec: l7.md section 7.1. */
import { proxy } from '@ambit/api';
import type { Index } from '@ambit/collections';
import type { AccessLoggingSpec, Telemetry } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { compareAge } from '../derive/age-order.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import type { CollectorSettings, MeshSettings } from '../mesh-settings.ts';
import { metricSettings } from './metric-settings.ts';
import { expressionProblem } from './telemetry-problems.ts';
import type { L7Gateway } from './l7-gateway.ts';
import type { MeshView } from './mesh-view.ts';
import { duration } from './proto-text.ts';
import { providerNamed } from './provider-name.ts';
import { type TracingProvider, tracingSettings } from './tracing-settings.ts';

/** Finds what is to be told about the requests of a gateway. */
export class TelemetryFinder {
  readonly #settings: MeshSettings;
  readonly #view: MeshView;
  readonly #byPlace: Index<Telemetry>;

  constructor(sources: MeshSources, view: MeshView, settings: MeshSettings) {
    this.#view = view;
    this.#settings = settings;
    this.#byPlace = sources.Telemetry.index('by-place', ({ spec, metadata: { namespace } }) => {
      if (spec.selector !== undefined) return [];
      if (spec.targets.length === 0) return [`namespace/${namespace}`];
      return [...new Set(spec.targets.map(({ kind, name }) => `${kind}/${namespace}/${name}`))];
    });
  }

  /** Undefined when nobody says anything. Root namespace, gateway's namespace, class and gateway, each over the one before. */
  ofGateway(reads: MeshReads, at: L7Gateway): proxy.Telemetry | undefined {
    return this.#settled(reads, at, this.#levelsOf(reads, at));
  }

  /** For requests of one service; undefined when nobody says more of it than of the gateway. */
  ofService(
    reads: MeshReads,
    at: L7Gateway,
    { source, namespace, name }: { readonly source: string; readonly namespace: string; readonly name: string },
  ): proxy.Telemetry | undefined {
    const isElsewhere = namespace !== at.gateway.metadata.namespace && namespace !== this.#settings.rootNamespace;
    const unscoped = isElsewhere ? this.#at(reads, `namespace/${namespace}`).slice(0, 1) : [];
    const own = this.#at(reads, `${source}/${namespace}/${name}`);
    if (unscoped.length + own.length === 0) return undefined;
    return this.#settled(reads, at, [...this.#levelsOf(reads, at, unscoped), ...own]);
  }

  #at(reads: MeshReads, place: string): readonly Telemetry[] {
    return reads.lookup(this.#byPlace, place).toSorted((a, b) => compareAge(a.metadata, b.metadata));
  }

  /** `ofService`: what the service's own namespace says. */
  #levelsOf(reads: MeshReads, { gateway }: L7Gateway, ofService: readonly Telemetry[] = []): readonly Telemetry[] {
    const { namespace, name } = gateway.metadata;
    const { rootNamespace } = this.#settings;
    // Of several without a target in one namespace only the oldest counts.
    const unscoped = [...new Set([rootNamespace, namespace])].flatMap((one) =>
      this.#at(reads, `namespace/${one}`).slice(0, 1),
    );
    return [
      ...unscoped,
      ...ofService,
      ...this.#at(reads, `GatewayClass/${rootNamespace}/${gateway.spec.gatewayClassName}`),
      ...this.#at(reads, `Gateway/${namespace}/${name}`),
    ];
  }

  #settled(reads: MeshReads, { role }: L7Gateway, levels: readonly Telemetry[]): proxy.Telemetry | undefined {
    if (levels.length === 0) return undefined;
    const isMeant = (mode: string): boolean =>
      mode === 'CLIENT_AND_SERVER' || mode === (role === 'waypoint' ? 'SERVER' : 'CLIENT');
    const accessLog = accessLogOf(
      levels.flatMap(({ spec }) => {
        const meant = spec.accessLogging.filter((entry) => isMeant(entry.mode));
        return meant.length > 0 ? [meant] : [];
      }),
    );
    const metrics = metricSettings(
      levels.flatMap(({ spec }) => spec.metrics),
      ['prometheus'],
      (name) => name.toLowerCase() === 'prometheus',
      isMeant,
    );
    const tracing = tracingSettings(
      levels.flatMap(({ spec }) => spec.tracing.filter((entry) => isMeant(entry.mode))),
      (name) => this.#provider(reads, name),
    );
    return create(proxy.TelemetrySchema, {
      ...(accessLog === undefined ? {} : { accessLog }),
      ...(tracing === undefined ? {} : { tracing }),
      metricsDisabled: metrics.isDisabled,
      metricOverrides: [...metrics.overrides],
      ...(metrics.reportingIntervalMs === undefined
        ? {}
        : { tcpReportInterval: duration(metrics.reportingIntervalMs) }),
    });
  }

  #provider(reads: MeshReads, name: string): TracingProvider | undefined {
    const settings = providerNamed(this.#settings.tracingProviders, name);
    if (settings === undefined) return undefined;
    const collector = this.#collector(reads, settings.collector);
    return collector === undefined ? undefined : { maxUrlChars: settings.maxUrlChars, collector };
  }

  #collector(reads: MeshReads, settings: CollectorSettings): proxy.Telemetry_Collector | undefined {
    const service = this.#view.configuredService(reads, settings.service);
    if (service === undefined) return undefined;
    return create(proxy.Telemetry_CollectorSchema, {
      hostname: service.candidate.hostname,
      port: settings.port,
      httpPath: settings.httpPath ?? '',
      timeout: duration(settings.timeoutMs),
      headers: { ...settings.headers },
      readsEnvironment: settings.readsEnvironment,
    });
  }
}

/** The most specific level decides. A filter that proxies do not understand lets everything through, and is told of. */
function accessLogOf(levels: readonly (readonly AccessLoggingSpec[])[]): proxy.Telemetry_AccessLog | undefined {
  const entries = levels.at(-1);
  if (entries === undefined) return undefined;
  const on = entries.filter(({ isDisabled }) => !isDisabled);
  const filter = on.at(-1)?.filter ?? '';
  const [, least] = /^\s*response\.code\s*>=\s*(\d{3})\s*$/.exec(filter) ?? [];
  const isUsable = least === undefined && filter !== '' && expressionProblem(filter) === undefined;
  return create(proxy.Telemetry_AccessLogSchema, {
    enabled: on.length > 0,
    minStatus: least === undefined ? 0 : Number(least),
    filter: isUsable ? filter : '',
  });
}
