/** Assembles the node agent and runs it until it is told to stop. Pods are never touched by starting or stopping it. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { EventBus } from '@ambit/events';
import { FolderSource, writePodStatus, removePodStatus, type Pod } from '@ambit/kube';
import { AmbitError, Backoff, delay, Readiness, systemClock, TaskScope } from '@ambit/runtime';
import { createLogger, LogLevels, metricsHandler, type Logger } from '@ambit/telemetry';
import type { AgentConfig } from './agent-config.ts';
import { createAgentMetrics } from './agent-metrics.ts';
import { setUpCapture, type CaptureSetup } from './capture-setup.ts';
import { serveCniPlugin, type NewPod } from './cni-plugin-server.ts';
import { EnrolmentController } from './enrolment/enrolment-controller.ts';
import type { EnrolmentEvent, EnrolmentPorts } from './enrolment/enrolment-ports.ts';
import { serveHealth } from './health-server.ts';
import { REDIRECTION_ANNOTATION, type Redirection } from './pods/eligibility.ts';
import { DEFAULT_SELECTORS, parseEnablementSelectors } from './pods/enablement-selector.ts';
import { NetnsLocator } from './pods/netns-locator.ts';
import { carriedConnections } from './rules/carried-connections.ts';
import { ZdsListener } from './zds/zds-listener.ts';
import { ZdsRegistry } from './zds/zds-registry.ts';

const STATUS_WRITER = 'cni-agent';
/** The plugin waits five seconds for its answer. */
const PLUGIN_DEADLINE_MS = 4_500;

export async function runAgent(config: AgentConfig, bus: EventBus, stopping: AbortSignal): Promise<void> {
  await using scope = new TaskScope({ signal: stopping });
  const log = createLogger({ levels: new LogLevels(config.logLevel) }).scope('agent');
  const readiness = new Readiness();
  const stateBuilt = readiness.pend('the state of the node');
  const source = new FolderSource({ manifestDirs: config.manifestDirs, statusDirs: [config.statusDir] });
  scope.defer(() => source[Symbol.dispose]());
  const setup = await setUpCapture(config);
  const locator = new NetnsLocator(setup.shell);

  const registry = new ZdsRegistry(
    {
      snapshot: () => controller.snapshot(),
      onConnected: (connected) => log.info({ connected }, 'ztunnel connected'),
      onSynced: () => {
        log.info({ pods: controller.snapshot().length }, 'ztunnel took over the snapshot');
        controller.onProxySynced();
      },
      onSnapshotRefusal: (error) => log.warn({ error: error.message }, 'ztunnel refused a pod of the snapshot'),
      onDisconnected: (connected, reason) => log.info({ connected, reason }, 'ztunnel disconnected'),
    },
    systemClock,
  );

  const controller: EnrolmentController = new EnrolmentController({
    source,
    nodeName: config.nodeName,
    systemNamespace: config.systemNamespace,
    eligibility: {
      selectors: config.selectors === undefined ? DEFAULT_SELECTORS : parseEnablementSelectors(config.selectors),
      excludeNamespaces: config.excludeNamespaces,
    },
    settings: {
      dnsCapture: config.dnsCapture,
      repairOnStart: config.repairOnStart,
      releaseQuietMs: config.releaseQuietMs,
      releaseGraceMs: config.releaseGraceMs,
    },
    verifyIntervalMs: config.verifyIntervalMs,
    ports: connectPorts(config, setup, locator, registry),
    clock: systemClock,
    onEvent: (event) => {
      metrics.countEvent(event.kind);
      if (event.kind === 'forgotten') locator.forget(event.pod);
      logEvent(log, event);
      publishEvent(bus, config.nodeName, event);
    },
  });
  scope.defer(() => controller[Symbol.dispose]());
  const metrics = createAgentMetrics(
    () => registry.connected,
    () => controller.enrolledCount,
  );

  scope.defer(() => closeServer(health));
  const health = serveHealth(config.healthPort, readiness);
  const scrape = createServer(metricsHandler(metrics.registry)).listen(config.metricsPort, '::');
  scope.defer(() => closeServer(scrape));

  await setup.exemption.install();
  await controller.start();
  await setup.exemption.prune(new Set(controller.snapshot().map(({ workload }) => workload.uid)));
  const zds = new ZdsListener({
    path: config.zdsSocket,
    clock: systemClock,
    onChannel: (channel) => registry.accept(channel),
  });
  scope.defer(() => {
    zds[Symbol.dispose]();
    registry.closeAll('the agent ends');
  });
  controller.run();
  const plugin = serveCniPlugin(config.runDir, {
    onNewPod: (pod) => enrolNewPod(pod, controller, locator, source),
    onAnswer: (code) => metrics.countPluginRequest(code),
  });
  scope.defer(() => closeServer(plugin));
  scope.run('host rules', (signal) => keepExemption(setup, config.verifyIntervalMs, log, signal));
  stateBuilt();
  log.info(
    { node: config.nodeName, backend: setup.backend.name, served: controller.snapshot().length },
    'agent is ready',
  );

  if (!stopping.aborted) await once(stopping, 'abort');
  if (config.cleanUpOnExit) await setup.exemption.uninstall();
  log.info('agent ends; pods stay as they are');
}

function connectPorts(
  config: AgentConfig,
  setup: CaptureSetup,
  locator: NetnsLocator,
  registry: ZdsRegistry,
): EnrolmentPorts {
  const { shell, backend, capture, exemption } = setup;
  const anyOptions = { ingressMode: false, dnsCapture: config.dnsCapture, virtualInterfaces: [] };
  return {
    locateNetns: (pod) => locator.locate(pod),
    capture: {
      program: (place, options, phase) => capture.program(place, options, phase),
      heal: (place, options, phase) => capture.heal(place, options, phase),
      isPresent: async (place) => (await backend.inspect(place, anyOptions, 'carry')) !== 'absent',
      remove: (place) => capture.remove(place),
    },
    carriedConnections: (place) => carriedConnections(shell, place),
    proxy: registry,
    probes: exemption,
    annotate: (pod, redirection) => annotate(config.statusDir, pod, redirection),
  };
}

function annotate(statusDir: string, pod: Pod, redirection: Redirection | undefined): Promise<void> {
  const { namespace, name } = pod.metadata;
  if (redirection === undefined) removePodStatus(statusDir, namespace, name, STATUS_WRITER);
  else
    writePodStatus(statusDir, namespace, name, STATUS_WRITER, {
      annotations: { [REDIRECTION_ANNOTATION]: redirection },
    });
  return Promise.resolve();
}

/** The pod's status may be on its way: looks for it until the plugin would give up. */
async function enrolNewPod(
  pod: NewPod,
  controller: EnrolmentController,
  locator: NetnsLocator,
  source: FolderSource,
): Promise<void> {
  const signal = AbortSignal.timeout(PLUGIN_DEADLINE_MS);
  const backoff = new Backoff({ initialMs: 10, maxMs: 200 });
  locator.tell(pod.namespace, pod.name, pod.netnsPath);
  for (;;) {
    try {
      await controller.settle(pod.namespace, pod.name);
      return;
    } catch (cause) {
      if (!(cause instanceof AmbitError) || !cause.retryable) throw cause;
      await delay(backoff.nextMs(), { signal }).catch(() => {
        throw cause;
      });
      source.refresh();
    }
  }
}

/** Puts the node's own rules back when somebody removed them. */
async function keepExemption(setup: CaptureSetup, intervalMs: number, log: Logger, signal: AbortSignal): Promise<void> {
  for (;;) {
    await delay(intervalMs, { signal });
    if (await setup.exemption.isInstalled()) continue;
    log.warn('the rules of the node were altered and are put back');
    await setup.exemption.install();
  }
}

function logEvent(log: Logger, event: EnrolmentEvent): void {
  const pod = `${event.pod.metadata.namespace}/${event.pod.metadata.name}`;
  switch (event.kind) {
    case 'enrolled':
      return log.info({ pod }, 'pod is in the mesh');
    case 'releasing':
      return log.info({ pod }, 'pod leaves the mesh; open connections go on');
    case 'released':
      return log.info({ pod }, 'pod is out of the mesh');
    case 'forgotten':
      return log.info({ pod }, 'pod is gone');
    case 'repaired':
      return log.warn({ pod }, 'rules of a pod were altered and have been put back');
    case 'grace-ended':
      return log.warn({ pod, carried: event.carried }, 'connections of a pod that left the mesh are cut');
    case 'failed':
      return log.warn({ pod, error: event.error.message, retryMs: event.retryMs }, 'pod is not yet where it belongs');
  }
}

const PUBLISHED: Readonly<Record<EnrolmentEvent['kind'], 'enrolled' | 'removed' | 'broken' | 'repaired' | undefined>> =
  {
    enrolled: 'enrolled',
    releasing: undefined,
    released: 'removed',
    forgotten: 'removed',
    repaired: 'repaired',
    'grace-ended': undefined,
    failed: 'broken',
  };

function publishEvent(bus: EventBus, node: string, event: EnrolmentEvent): void {
  const state = PUBLISHED[event.kind];
  if (state === undefined) return;
  const { namespace, name, uid = '' } = event.pod.metadata;
  bus.publish('enrolment.changed', {
    node,
    podUid: uid,
    namespace,
    name,
    state,
    reason: event.kind === 'failed' ? event.error.message : '',
  });
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
