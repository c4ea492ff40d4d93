/**
 * Metrics of the control thread, with Istio's names and labels. Those of connections are the data workers'.
 * Spec: data-plane.md section 7.1.
 */
import type { Counter, Histogram, MetricRegistry } from '@ambit/telemetry';
import type { Workload } from '@ambit/workload';
import type { DeltaClientObserver, TerminationKind } from '@ambit/xds';
import type { DnsObserver, DnsRequestFacts } from './dns/dns-responder.ts';

const REASONS: Readonly<Record<TerminationKind, string>> = {
  connection_error: 'ConnectionError',
  error: 'Error',
  reconnect: 'Reconnect',
  complete: 'Complete',
};

/** Counts what the xDS client does. */
export function xdsMetrics(registry: MetricRegistry): DeltaClientObserver {
  const terminations = registry.counter({
    name: 'istio_xds_connection_terminations',
    help: 'The total number of completed connections to xds server (unstable)',
    labels: registry.labels(['reason']),
  });
  const byUrl = registry.labels(['url']);
  const messages = registry.counter({
    name: 'istio_xds_message',
    help: 'Total number of messages received (unstable)',
    labels: byUrl,
  });
  const bytes = registry.counter({
    name: 'istio_xds_message_bytes',
    help: 'Total number of bytes received (unstable)',
    labels: byUrl,
  });
  const add = (counter: Counter, amount: number): void => {
    counter.add(amount);
    counter.release();
  };
  return {
    onTerminated: ({ kind }) => add(terminations.bind([REASONS[kind]]), 1),
    onMessage: (typeUrl, _resources, _removed, size) => {
      add(messages.bind([typeUrl]), 1);
      add(bytes.bind([typeUrl]), size);
    },
  };
}

/** Counts pods. */
export interface PodMetrics {
  onCounts(active: number, pending: number): void;
  onStarted(): void;
  onStopped(): void;
}

export function podMetrics(registry: MetricRegistry): PodMetrics {
  const gauge = (name: string, help: string) => registry.gauge({ name: `workload_manager_${name}`, help }).bind([]);
  const counter = (name: string, help: string) => registry.counter({ name: `workload_manager_${name}`, help }).bind([]);
  const active = gauge('active_proxy_count', 'The total number current workloads with active proxies (unstable)');
  const pending = gauge('pending_proxy_count', 'The total number current workloads with pending proxies (unstable)');
  const started = counter('proxies_started', 'The total number of proxies that were started (unstable)');
  const stopped = counter('proxies_stopped', 'The total number of proxies that were stopped (unstable)');
  return {
    onCounts: (activeCount, pendingCount) => {
      active.set(activeCount);
      pending.set(pendingCount);
    },
    onStarted: () => started.inc(),
    onStopped: () => stopped.inc(),
  };
}

/** `istio_build`. */
export function buildMetric(registry: MetricRegistry, version: string): void {
  const labels = registry.labels(['component', 'tag']);
  registry.gauge({ name: 'istio_build', help: 'Istio component build info', labels }).bind(['ztunnel', version]).set(1);
}

const DNS_SECONDS = [0.0005, 0.001, 0.01, 0.1, 1, 5];

/** Makes the observer of one pod's DNS; the families are shared. */
export function dnsMetrics(registry: MetricRegistry): (client: () => Workload | undefined) => DnsObserver {
  const labels = registry.labels([
    'request_query_type',
    'request_protocol',
    'source_canonical_service',
    'source_canonical_revision',
  ]);
  const requests = registry.counter({
    name: 'istio_dns_requests',
    help: 'Total number of DNS requests (unstable)',
    labels,
  });
  const upstream = registry.counter({
    name: 'istio_dns_upstream_requests',
    help: 'Total number of DNS requests forwarded to upstream (unstable)',
    labels,
  });
  const failures = registry.counter({
    name: 'istio_dns_upstream_failures',
    help: 'Total number of failed DNS upstream requests (unstable)',
    labels,
  });
  const duration = registry.histogram(
    {
      name: 'istio_dns_upstream_request_duration_seconds',
      help: 'Total time in seconds Istio takes to get DNS response from upstream (unstable)',
      labels,
    },
    DNS_SECONDS,
  );
  const use = <T extends Counter | Histogram>(series: T, action: (series: T) => void): void => {
    action(series);
    series.release();
  };
  return (client) => {
    const valuesOf = ({ type, transport }: DnsRequestFacts): readonly [string, string, string, string] => {
      const workload = client();
      // The type comes from the packet: an unknown number must not become a label of its own.
      const queryType = /^[A-Z0-9]{1,10}$/.test(type) ? type : 'unknown';
      return [queryType, transport, workload?.canonicalName ?? 'unknown', workload?.canonicalRevision ?? 'unknown'];
    };
    return {
      onRequest: (facts) => use(requests.bind(valuesOf(facts)), (series) => series.inc()),
      onUpstreamRequest: (facts) => use(upstream.bind(valuesOf(facts)), (series) => series.inc()),
      onUpstreamDone: (facts, durationMs, failed) => {
        use(duration.bind(valuesOf(facts)), (series) => series.observe(durationMs / 1_000));
        if (failed) use(failures.bind(valuesOf(facts)), (series) => series.inc());
      },
    };
  };
}
