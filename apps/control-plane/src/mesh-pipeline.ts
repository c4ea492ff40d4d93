/** From a source to the xDS store: derived collections, publisher. */
import { join } from 'node:path';
import type { EventBus } from '@ambit/events';
import { formatReport, type ResourceEvent, type ResourceSource, type SourceReport } from '@ambit/kube';
import { toAmbitError } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import { createContentVersion, type NameResolver, ResourceStore } from '@ambit/xds';
import { AddressAllocator, emptyAllocatorState } from './allocate/address-allocator.ts';
import { readAllocatorState, writeAllocatorState } from './allocate/allocation-file.ts';
import type { ControlPlaneConfig } from './config.ts';
import { meshCollections, type MeshCollections } from './derive/mesh-collections.ts';
import { meshTypes } from './l7/l7-types.ts';
import { feedMesh } from './mesh-feed.ts';
import { defaultMeshSettings } from './mesh-settings.ts';
import { MeshNameResolver } from './publish/mesh-name-resolver.ts';
import { MeshPublisher } from './publish/mesh-publisher.ts';
import { ReportLog } from './report-log.ts';
import type { ControlPlaneMetrics } from './serve/control-plane-metrics.ts';
import type { MeshSource } from './source/mesh-source.ts';
import { ScopedSource } from './source/scoped-source.ts';

export interface MeshPipelineParts {
  readonly bus: Pick<EventBus, 'publish'>;
  readonly logger: Logger;
  readonly metrics: ControlPlaneMetrics;
  /** Owned by the caller. It may be empty still. */
  readonly source: MeshSource;
}

/** A store that follows the source. Disposing stops following; the store keeps its last state. */
export interface MeshPipeline extends Disposable {
  readonly store: ResourceStore;
  readonly mesh: MeshCollections;
  readonly resolver: NameResolver;
  /** Begins to follow the source, which is complete by now: everything it holds is in the store afterwards. */
  follow(): void;
  /** What is wrong with the resources now. */
  reports(): readonly SourceReport[];
  /**
   * Resolves when nothing is kept out of force by an error. While running, a broken object leaves its last good version
   * in force; right after a start there is none, and serving without it would take a policy away from the whole mesh.
   * Rejects with the signal's reason.
   */
  whole(options: { readonly signal: AbortSignal }): Promise<void>;
}

const HELD_BACK =
  'xDS is not served: objects that were broken before the start have no good version to go on with. Mend them, or set AMBIT_SERVE_BROKEN=true to serve without them';

/** Makes the store, empty until `follow`. Rejects for a damaged state file. */
export async function openMeshPipeline(config: ControlPlaneConfig, parts: MeshPipelineParts): Promise<MeshPipeline> {
  const { bus, logger, metrics } = parts;
  const { source } = parts.source;
  using cleanup = new DisposableStack();
  const store = new ResourceStore(meshTypes(await createContentVersion()));
  const mesh = meshCollections({
    ...defaultMeshSettings,
    clusterId: config.clusterId,
    clusterDomain: config.clusterDomain,
    trustDomain: config.trustDomain,
    rootNamespace: config.rootNamespace,
    revisions: config.revisions,
    sendsDryRunPolicies: config.sendsDryRunPolicies,
    allowsOnlyWaypoints: config.allowsOnlyWaypoints,
    refusesWithoutWaypoint: config.refusesWithoutWaypoint,
    refusesPastWaypoint: config.refusesPastWaypoint,
    waypointControllers: config.waypointControllers,
    gatewayControllers: config.gatewayControllers,
    ownControllers: ownControllers(config),
    trustDomainAliases: config.trustDomainAliases,
    serverHeader: config.serverHeader,
    pathNormalisation: config.pathNormalisation,
    trustedProxies: config.trustedProxies,
    authorizationProviders: config.extensionProviders.authorization,
    tracingProviders: config.extensionProviders.tracing,
    logProviders: config.extensionProviders.logs,
    prometheusProviders: config.extensionProviders.prometheus,
    telemetry: config.telemetry,
    serviceEntryVisibility: config.serviceEntryVisibility,
    findsAddressConflicts: parts.source.kind === 'folder',
  });
  for (const problem of config.telemetry.ignored) logger.warn({ problem }, 'mesh configuration is not all in force');
  const resolver = new MeshNameResolver(mesh);
  const publisher = new MeshPublisher(mesh, store, (publication) => {
    logger.debug({ ...publication }, 'configuration published');
    bus.publish('config.published', { ...publication, replica: config.replica });
  });
  cleanup.use(publisher);
  const allocates = parts.source.kind === 'folder';
  const { allocator, onAllocated } = allocation(config.stateDirectory, logger);
  const reports = (): readonly SourceReport[] => [...source.reports(), ...mesh.findings.values()];
  observeMesh(metrics, mesh, reports);
  const running = cleanup.move();
  const follow = (): void => {
    const scoped = scopeOf(config, source);
    if (scoped instanceof ScopedSource) running.use(scoped);
    // Subscribed before the mesh is, so that the clock of convergence starts with the batch.
    running.use(scoped.subscribe((events) => metrics.received(events.map(kindOf))));
    running.use(feedMesh({ mesh, source: scoped, allocator: allocates ? allocator : undefined, onAllocated }));
    running.use(logReports(source, mesh, reports, logger));
  };
  const whole = ({ signal }: { readonly signal: AbortSignal }): Promise<void> => untilWhole(source, logger, signal);
  return { store, mesh, resolver, follow, reports, whole, [Symbol.dispose]: () => running.dispose() };
}

/** Without taking over, objects of Istio's classes are an istiod's to answer for. */
function ownControllers(config: ControlPlaneConfig): readonly string[] {
  const all = [...defaultMeshSettings.ownControllers, ...config.waypointControllers, ...config.gatewayControllers];
  return [...new Set(all)].filter((name) => config.takesOverClasses || !name.startsWith('istio.io/'));
}

/** An empty list of selectors selects everything, as none does. The mesh's own namespaces always count. */
function scopeOf(
  { discoverySelectors, rootNamespace, systemNamespace }: ControlPlaneConfig,
  source: ResourceSource,
): ResourceSource {
  if (discoverySelectors === undefined || discoverySelectors.length === 0) return source;
  return new ScopedSource(source, discoverySelectors, [rootNamespace, systemNamespace]);
}

async function untilWhole(source: ResourceSource, logger: Logger, signal: AbortSignal): Promise<void> {
  const isWhole = (): boolean => source.reports().every(({ severity }) => severity !== 'error');
  if (isWhole()) return;
  logger.error({ errors: source.reports().filter(({ severity }) => severity === 'error').length }, HELD_BACK);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  using _changes = source.onReportsChanged(() => {
    if (isWhole()) resolve();
  });
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function kindOf(event: ResourceEvent): string {
  return (event.kind === 'delete' ? event.previous : event.resource).kind;
}

function allocation(
  directory: string | undefined,
  logger: Logger,
): Pick<Parameters<typeof feedMesh>[0], 'allocator' | 'onAllocated'> {
  const file = directory === undefined ? undefined : join(directory, 'service-addresses.json');
  return {
    allocator: new AddressAllocator(file === undefined ? emptyAllocatorState : readAllocatorState(file)),
    onAllocated: (state) => {
      if (file === undefined) return;
      try {
        writeAllocatorState(file, state);
      } catch (error) {
        logger.error({ file, reason: toAmbitError(error).message }, 'allocated addresses could not be stored');
      }
    },
  };
}

function logReports(
  source: ResourceSource,
  mesh: MeshCollections,
  reports: () => readonly SourceReport[],
  logger: Logger,
): Disposable {
  const log = new ReportLog((report) => {
    if (report.severity === 'error') logger.error({ report: formatReport(report) }, 'resource not in force');
    else logger.warn({ report: formatReport(report) }, 'resource is suspicious');
  });
  const update = (): void => log.update(reports());
  const stack = new DisposableStack();
  stack.use(source.onReportsChanged(update));
  stack.use(mesh.findings.subscribe(update));
  update();
  return stack;
}

function observeMesh(
  metrics: ControlPlaneMetrics,
  mesh: MeshCollections,
  reports: () => readonly SourceReport[],
): void {
  const count = (severity: SourceReport['severity']): number =>
    reports().filter((report) => report.severity === severity).length;
  metrics.observeMesh({
    services: () => mesh.services.size,
    workloads: () => mesh.workloads.size,
    policies: () => mesh.policies.size,
    errors: () => count('error'),
    warnings: () => count('warning'),
  });
}
