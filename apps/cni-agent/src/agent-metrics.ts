/** The agent's metrics, under the names Istio's agent uses where it has them. Spec: data-plane contract 4.9. */
import { MetricRegistry } from '@ambit/telemetry';
import type { EnrolmentEvent } from './enrolment/enrolment-ports.ts';

export interface AgentMetrics {
  readonly registry: MetricRegistry;
  countPluginRequest(responseCode: number): void;
  countEvent(kind: EnrolmentEvent['kind']): void;
}

/** The two gauges are read when scraped. */
export function createAgentMetrics(connectedProxies: () => number, enrolledPods: () => number): AgentMetrics {
  const registry = new MetricRegistry();
  const requests = registry.counter({
    name: 'istio_cni_plugin_requests',
    help: 'Requests of the CNI plugin by answer',
    labels: registry.labels(['response_code']),
  });
  const events = registry.counter({
    name: 'nodeagent_reconcile_events',
    help: 'Steps of pods into and out of the mesh',
    labels: registry.labels(['type']),
  });
  registry.computed('gauge', { name: 'ztunnel_connected', help: 'Connected ztunnel instances' }, () => [
    { labelValues: [], value: connectedProxies() },
  ]);
  registry.computed('gauge', { name: 'ambit_enrolled_pods', help: 'Pods of this node that are in the mesh' }, () => [
    { labelValues: [], value: enrolledPods() },
  ]);
  return {
    registry,
    countPluginRequest: (responseCode) => requests.bind([String(responseCode)]).inc(),
    countEvent: (kind) => events.bind([kind]).inc(),
  };
}
