/** The Telemetry API at L7 proxies. Spec: l7.md section 7.1. */
import { proxy } from '@ambit/api';
import type { Index } from '@ambit/collections';
import type { Telemetry } from '@ambit/kube';
import { create, equals } from '@bufbuild/protobuf';
import { compareAge } from '../derive/age-order.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { CollectorSettings, MeshSettings } from '../mesh-settings.ts';
import { metricSettings } from './metric-settings.ts';
import { accessLogs, type LogProvider } from './access-log-settings.ts';
import { type L7Gateway, selectsGateway } from './l7-gateway.ts';
import type { MeshView } from './mesh-view.ts';
import { duration } from './proto-text.ts';
import { logProviderNamed, providerNamed } from './provider-name.ts';
import { type TracingProvider, tracingSettings } from './tracing-settings.ts';

const nothing = create(proxy.TelemetrySchema);

/** Finds what is to be told about the requests of a gateway. */
export class TelemetryFinder {
  readonly #settings: MeshSettings;
  readonly #view: MeshView;
  readonly #byPlace: Index<Telemetry>;

  constructor(objects: MeshObjects, view: MeshView, settings: MeshSettings) {
    this.#view = view;
    this.#settings = settings;
    this.#byPlace = objects.Telemetry.index('by-place', ({ spec, metadata: { namespace } }) => {
      if (selectsPods(spec)) return [`pods/${namespace}`];
      if (spec.targets.length === 0) return [`namespace/${namespace}`];
      return [...new Set(spec.targets.map(({ kind, name }) => `${kind}/${namespace}/${name}`))];
    });
  }

  /**
   * Undefined when nobody says anything. Root namespace, gateway's namespace, class, pods of a gateway for ingress or egress, and
   * gateway, each over the one before.
   */
  ofGateway(reads: MeshReads, at: L7Gateway): proxy.Telemetry | undefined {
    const settled = this.#settled(reads, at, this.#levelsOf(reads, at));
    return equals(proxy.TelemetrySchema, settled, nothing) ? undefined : settled;
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
  #levelsOf(reads: MeshReads, at: L7Gateway, ofService: readonly Telemetry[] = []): readonly Telemetry[] {
    const { gateway, role } = at;
    const { namespace, name } = gateway.metadata;
    const { rootNamespace } = this.#settings;
    // Of several without a target in one namespace only the oldest counts.
    const unscoped = [...new Set([rootNamespace, namespace])].flatMap((one) =>
      this.#at(reads, `namespace/${one}`).slice(0, 1),
    );
    const selecting = role === 'gateway' ? this.#at(reads, `pods/${namespace}`) : [];
    return [
      ...unscoped,
      ...ofService,
      ...this.#at(reads, `GatewayClass/${rootNamespace}/${gateway.spec.gatewayClassName}`),
      ...selecting.filter(({ spec }) => selectsGateway(spec.selector, at)),
      ...this.#at(reads, `Gateway/${namespace}/${name}`),
    ];
  }

  #settled(reads: MeshReads, { role }: L7Gateway, levels: readonly Telemetry[]): proxy.Telemetry {
    const { telemetry: defaults, prometheusProviders } = this.#settings;
    const isMeant = (mode: string): boolean =>
      mode === 'CLIENT_AND_SERVER' || mode === (role === 'waypoint' ? 'SERVER' : 'CLIENT');
    const [accessLog, ...furtherAccessLogs] = accessLogs(
      levels.flatMap(({ spec: { accessLogging } }) => (accessLogging.length === 0 ? [] : [accessLogging])),
      {
        defaultProviders: defaults.accessLogging,
        fallback: defaults.isLogged ? { ...defaults.log, omitsEmpty: false, collector: undefined } : undefined,
        isMeant,
        providerOf: (name) => this.#logProvider(reads, name),
      },
    );
    const metrics = metricSettings(
      levels.flatMap(({ spec }) => spec.metrics),
      defaults.metrics,
      (name) => ['prometheus', ...prometheusProviders].includes(name.toLowerCase()),
      isMeant,
    );
    const tracing = tracingSettings(
      levels.flatMap(({ spec }) => spec.tracing.filter((entry) => isMeant(entry.mode))),
      defaults,
      (name) => this.#tracer(reads, name),
    );
    return create(proxy.TelemetrySchema, {
      ...(accessLog === undefined ? {} : { accessLog, furtherAccessLogs }),
      ...(tracing === undefined ? {} : { tracing }),
      metricsDisabled: metrics.isDisabled,
      metricOverrides: [...metrics.overrides],
      ...(metrics.reportingIntervalMs === undefined
        ? {}
        : { tcpReportInterval: duration(metrics.reportingIntervalMs) }),
    });
  }

  /** Undefined also for one whose collector is not there. */
  #logProvider(reads: MeshReads, name: string): LogProvider | undefined {
    const settings = logProviderNamed(this.#settings, name);
    if (settings === undefined) return undefined;
    const { text, template, omitsEmpty } = settings;
    const collector = settings.collector === undefined ? undefined : this.#collector(reads, settings.collector);
    if (settings.collector !== undefined && collector === undefined) return undefined;
    return { text, template, omitsEmpty, collector };
  }

  #tracer(reads: MeshReads, name: string): TracingProvider | undefined {
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

/** A selector without labels is none. */
function selectsPods({ selector }: Telemetry['spec']): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length > 0;
}
