/** The agent's metrics, under the names Istio's agent uses where it has them. Spec: data-plane contract 4.9. */
import { MetricRegistry } from '@ambit/telemetry';
import type { EnrolmentEvent } from './enrolment/enrolment-ports.ts';
import type { InstallState } from './install/cni-installer.ts';

/** Read when scraped. */
export interface AgentGauges {
  connectedProxies(): number;
  enrolledPods(): number;
  unenforcedPods(): number;
  /** By reason. */
  unenforcedSeconds(): ReadonlyMap<string, number>;
}

export interface AgentMetrics {
  readonly registry: MetricRegistry;
  countPluginRequest(responseCode: number, durationMs: number): void;
  countEvent(kind: EnrolmentEvent['kind']): void;
  countInstall(state: InstallState): void;
}

const ADD_SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createAgentMetrics(gauges: AgentGauges): AgentMetrics {
  const registry = new MetricRegistry();
  const requests = registry.counter({
    name: 'istio_cni_plugin_requests',
    help: 'Requests of the CNI plugin by answer',
    labels: registry.labels(['response_code']),
  });
  const durations = registry.histogram(
    {
      name: 'ambit_cni_add_duration_seconds',
      help: 'Time that the mesh adds to the start of a pod, from the request of the plugin to the answer',
      labels: registry.labels(['result']),
    },
    ADD_SECONDS,
  );
  const events = registry.counter({
    name: 'nodeagent_reconcile_events',
    help: 'Steps of pods into and out of the mesh',
    labels: registry.labels(['type']),
  });
  const installs = registry.counter({
    name: 'istio_cni_installs',
    help: 'Times that the CNI plugin was installed or could not be',
    labels: registry.labels(['result']),
  });
  let isInstalled = 0;
  const gauge = (name: string, help: string, value: () => number): void =>
    registry.computed('gauge', { name, help }, () => [{ labelValues: [], value: value() }]);
  gauge('ztunnel_connected', 'Connected ztunnel instances', () => gauges.connectedProxies());
  gauge('ambit_enrolled_pods', 'Pods of this node that are in the mesh', () => gauges.enrolledPods());
  gauge('ambit_unenforced_pods', 'Pods that should be in the mesh and are not proven to be', () =>
    gauges.unenforcedPods(),
  );
  gauge('istio_cni_install_ready', 'Whether the CNI plugin is in place', () => isInstalled);
  registry.computed(
    'counter',
    {
      name: 'ambit_unenforced_pod_seconds',
      help: 'Time of all pods in which they should have been in the mesh and were not proven to be',
      labelNames: ['reason'],
    },
    () => [...gauges.unenforcedSeconds()].map(([reason, value]) => ({ labelValues: [reason], value })),
  );
  return {
    registry,
    countPluginRequest: (responseCode, durationMs) => {
      requests.bind([String(responseCode)]).inc();
      durations.bind([responseCode === 200 ? 'ok' : 'failed']).observe(durationMs / 1_000);
    },
    countEvent: (kind) => events.bind([kind]).inc(),
    countInstall: (state) => {
      isInstalled = state.kind === 'installed' || state.kind === 'intact' ? 1 : 0;
      if (state.kind === 'installed') installs.bind(['SUCCESS']).inc();
      if (state.kind === 'failed') installs.bind(['FAILURE']).inc();
    },
  };
}
