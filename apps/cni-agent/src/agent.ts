/**
 * Assembles the node agent and runs it until it is told to stop. Pods are not touched by starting or stopping it, unless it
 * leaves the node for good.
 */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EventBus } from '@ambit/events';
import { io } from '@ambit/net';
import { AmbitError, delay, Readiness, systemClock, TaskScope, toAmbitError } from '@ambit/runtime';
import { createLogger, LogLevels, metricsHandler, type Logger } from '@ambit/telemetry';
import type { AgentConfig } from './agent-config.ts';
import { EnrolmentLog, logVerdict, publishEvent } from './agent-events.ts';
import { createAgentMetrics, type AgentMetrics } from './agent-metrics.ts';
import { enrolmentPorts, proofPorts } from './agent-ports.ts';
import { setUpCapture, type CaptureSetup } from './capture-setup.ts';
import type { MeshSide } from './cluster/mesh-side.ts';
import { serveCniPlugin } from './cni-plugin-server.ts';
import { EnrolmentController } from './enrolment/enrolment-controller.ts';
import { serveHealth } from './health-server.ts';
import { CniInstaller, type InstallState } from './install/cni-installer.ts';
import { nodeProgram } from './node-programs.ts';
import { DEFAULT_SELECTORS, parseEnablementSelectors } from './pods/enablement-selector.ts';
import { NetnsLocator } from './pods/netns-locator.ts';
import { ProcessScan } from './pods/process-scan.ts';
import { ToldPods } from './pods/told-pods.ts';
import { ProofKeeper } from './proof/proof-keeper.ts';
import { enrolStartingPod } from './starting-pods.ts';
import { ZdsListener } from './zds/zds-listener.ts';
import { ZdsRegistry } from './zds/zds-registry.ts';

export async function runAgent(config: AgentConfig, bus: EventBus, stopping: AbortSignal): Promise<void> {
  await using scope = new TaskScope({ signal: stopping });
  const log = createLogger({ levels: new LogLevels(config.logLevel) }).scope('agent');
  const readiness = new Readiness();
  const stateBuilt = readiness.pend('the state of the node');
  // Alive from the first moment: the API server may take its time.
  const health = serveHealth(config.healthPort, readiness);
  scope.defer(() => closeServer(health));
  const side = await openSide(config, log);
  scope.defer(async () => side[Symbol.asyncDispose]());
  const setup = await setUpCapture(config);
  scope.defer(() => setup.looker[Symbol.dispose]());
  // Meanwhile pods start by the tool: they would rather not wait for this.
  scope.run('rules', async () => {
    const plain = { ingressMode: false, dnsCapture: config.dnsCapture, virtualInterfaces: [] };
    log.info(await setup.learned.learn(plain), 'rules of new pods are put in without a tool, if they were learned');
  });
  await side.start(stopping);
  const told = new ToldPods();
  const procRoot = join('/', config.hostRoot, 'proc');
  const processes = config.source === 'folder' ? undefined : new ProcessScan(procRoot, () => performance.now());
  const locator = new NetnsLocator({
    looker: setup.looker,
    told,
    hostRoot: config.hostRoot,
    trustsAnnotation: side.trustsAnnotations,
    processes,
  });
  let proxyEpoch = 0;
  const registry = new ZdsRegistry(
    {
      snapshot: () => controller.snapshot(),
      onConnected: (connected) => {
        proxyEpoch += 1;
        log.info({ connected }, 'ztunnel connected');
      },
      onSynced: () => {
        log.info({ pods: controller.snapshot().length }, 'ztunnel took over the snapshot');
        controller.onProxySynced();
      },
      onSnapshotRefusal: (error) => log.warn({ error: error.message }, 'ztunnel refused a pod of the snapshot'),
      onDisconnected: (connected, reason) => log.info({ connected, reason }, 'ztunnel disconnected'),
    },
    systemClock,
  );
  const events = new EnrolmentLog(log, systemClock);
  const controller: EnrolmentController = new EnrolmentController({
    source: side.source,
    nodeName: config.nodeName,
    systemNamespace: config.systemNamespace,
    eligibility: {
      selectors: config.selectors === undefined ? DEFAULT_SELECTORS : await parseEnablementSelectors(config.selectors),
      excludeNamespaces: config.excludeNamespaces,
    },
    settings: {
      dnsCapture: config.dnsCapture,
      repairOnStart: config.repairOnStart,
      releaseQuietMs: config.releaseQuietMs,
      releaseGraceMs: config.releaseGraceMs,
    },
    verifyIntervalMs: config.verifyIntervalMs,
    ports: enrolmentPorts(config, setup, locator, registry, side),
    clock: systemClock,
    complete: (pod) => told.complete(pod),
    onEvent: (event) => {
      metrics.countEvent(event.kind);
      if (event.kind === 'forgotten') locator.forget(event.pod);
      if (event.kind === 'repaired') keeper.noteRepair(event.pod.metadata.uid ?? '');
      events.write(event);
      publishEvent(bus, config.nodeName, event);
    },
  });
  scope.defer(() => controller[Symbol.dispose]());
  const keeper: ProofKeeper = new ProofKeeper({
    clock: systemClock,
    intervalMs: config.proofIntervalMs,
    proofsPerSecond: config.proofsPerSecond,
    heartbeatMs: config.proofHeartbeatMs,
    ports: proofPorts(config, setup, controller, registry, () => proxyEpoch, processes, systemClock, {
      report: (pod, verdict, sinceWallMs) => {
        logVerdict(log, pod, verdict);
        side.report(pod, verdict, sinceWallMs);
      },
      retract: (pod) => side.retract(pod),
    }),
  });
  scope.defer(() => keeper[Symbol.dispose]());
  const metrics = createAgentMetrics({
    connectedProxies: () => registry.connected,
    enrolledPods: () => controller.enrolledCount,
    unenforcedPods: () => keeper.unenforcedCount,
    unenforcedSeconds: () => keeper.unenforcedSeconds(),
  });
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
  keeper.start();
  const plugin = serveCniPlugin(config.runDir, {
    onNewPod: (pod) => {
      told.tell(pod);
      return enrolStartingPod(pod, controller, () => side.refresh());
    },
    onAnswer: (code, durationMs) => metrics.countPluginRequest(code, durationMs),
  });
  scope.defer(() => closeServer(plugin));
  scope.run('host rules', (signal) => keepExemption(setup, config.verifyIntervalMs, log, signal));
  const installer = config.installsCni ? await install(config, readiness, metrics, log) : undefined;
  scope.defer(() => installer?.[Symbol.dispose]());
  stateBuilt();
  log.info(
    { node: config.nodeName, backend: setup.backend.name, served: controller.snapshot().length },
    'agent is ready',
  );
  // Most of Node's code and constants that the start has read is never used again.
  io.dropProgramPages();
  io.trimHeap();
  scope.run('taint', (signal) => side.onReady(signal));
  scope.run('stale reports', () => clearStaleReports(side, controller, log));
  if (!stopping.aborted) await once(stopping, 'abort');
  const leaves = await side.isLeaving();
  if (leaves) {
    keeper[Symbol.dispose]();
    await leaveNode(installer, controller, log);
    await side.clearReports(() => false).catch((cause: unknown) => logStale(log, cause));
    rmSync(join(config.runDir, 'locks'), { recursive: true, force: true });
  }
  if (leaves || config.cleanUpOnExit) await setup.exemption.uninstall();
  log.info({ leaves }, leaves ? 'agent leaves; the node is as it was' : 'agent ends; pods stay as they are');
}

/** Each brings what the other does without: Node's TLS and HTTP client, and a YAML parser. */
async function openSide(config: AgentConfig, log: Logger): Promise<MeshSide> {
  if (config.source === 'kubernetes') {
    const { kubeconfig, serviceHost, servicePort } = config;
    const { ClusterSide } = await import('./cluster/cluster-side.ts');
    return ClusterSide.open({
      nodeName: config.nodeName,
      namespace: config.systemNamespace,
      daemonSet: config.daemonSet,
      taint: config.nodeTaint,
      access: {
        kubeconfigPath: kubeconfig,
        environment: { KUBERNETES_SERVICE_HOST: serviceHost, KUBERNETES_SERVICE_PORT: servicePort },
      },
      log,
    });
  }
  if (config.statusDir === undefined)
    throw new AmbitError('BAD_CONFIG', 'AMBIT_STATUS_DIR is needed when AMBIT_SOURCE is folder');
  const { FolderSide } = await import('./cluster/folder-side.ts');
  return new FolderSide({ manifestDirs: config.manifestDirs, statusDir: config.statusDir });
}

/** Not before the plugin's socket is there: pods would only wait. */
async function install(
  config: AgentConfig,
  readiness: Readiness,
  metrics: AgentMetrics,
  log: Logger,
): Promise<CniInstaller> {
  let installed: (() => void) | undefined = readiness.pend('the CNI plugin to be part of a network configuration');
  const onChange = (state: InstallState): void => {
    metrics.countInstall(state);
    if (state.kind === 'installed') log.info({ file: state.file }, 'the CNI plugin is installed');
    if (state.kind === 'waiting') log.warn('no network configuration to be part of yet');
    if (state.kind === 'failed') log.warn({ error: state.error.message }, 'the CNI plugin could not be installed');
    if (state.kind === 'installed' || state.kind === 'intact') {
      installed?.();
      installed = undefined;
    } else {
      installed ??= readiness.pend('the CNI plugin to be part of a network configuration');
    }
  };
  const installer = new CniInstaller({
    binary: await nodeProgram('ambit-cni'),
    binDir: config.cniBinDir ?? join('/', config.hostRoot, 'opt/cni/bin'),
    confDir: config.cniConfDir ?? join('/', config.hostRoot, 'etc/cni/net.d'),
    confName: config.cniConfName,
    settings: {
      runDir: config.runDir,
      podNamespace: config.systemNamespace,
      excludeNamespaces: config.excludeNamespaces,
    },
    clock: systemClock,
    onChange,
  });
  installer.start();
  return installer;
}

/** New pods first, so that none waits for an agent that does not come back; then those in the mesh. */
async function leaveNode(
  installer: CniInstaller | undefined,
  controller: EnrolmentController,
  log: Logger,
): Promise<void> {
  try {
    installer?.[Symbol.dispose]();
    installer?.uninstall();
  } catch (cause) {
    log.error({ error: toAmbitError(cause).message }, 'the CNI plugin could not be removed from the node');
  }
  await controller.evictAll(({ metadata }, error) =>
    log.warn({ pod: `${metadata.namespace}/${metadata.name}`, error: error.message }, 'pod could not be let go'),
  );
}

/** A pod that left the mesh while no agent was there must not go on to say that it is enforced. */
async function clearStaleReports(side: MeshSide, controller: EnrolmentController, log: Logger): Promise<void> {
  try {
    await side.clearReports((uid) =>
      controller.expected().some(({ pod, place }) => pod.metadata.uid === uid && place !== undefined),
    );
  } catch (cause) {
    logStale(log, cause);
  }
}

function logStale(log: Logger, cause: unknown): void {
  log.warn({ error: toAmbitError(cause).message }, 'conditions of pods outside of the mesh could not be removed');
}

/** Puts the node's own rules back when somebody removed them. */
async function keepExemption(setup: CaptureSetup, intervalMs: number, log: Logger, signal: AbortSignal): Promise<void> {
  for (;;) {
    await delay(intervalMs, { signal });
    try {
      if (await setup.exemption.isInstalled()) continue;
      log.warn('the rules of the node were altered and are put back');
      await setup.exemption.install();
    } catch (cause) {
      log.warn({ error: toAmbitError(cause).message }, 'the rules of the node could not be looked at');
    }
  }
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
