/** Labels of Istio's standard metrics as a waypoint or gateway fills them. Pure. Spec: contract l7 7.2. */
import type { LabelValues } from '@ambit/telemetry';
import type { Workload } from '@ambit/workload';

import type { BackendTarget } from '../../config/backend-target.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import type { UpstreamEndpoint } from '../../request/upstream.ts';

export const tcpLabelNames = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
] as const;

export const httpLabelNames: readonly [...typeof tcpLabelNames, 'response_code', 'grpc_response_status'] = [
  ...tcpLabelNames,
  'response_code',
  'grpc_response_status',
];

/** What is known of traffic when it is counted. */
export interface TrafficFacts {
  readonly reporter: 'waypoint' | 'source';
  readonly downstream: DownstreamFacts;
  readonly target: BackendTarget | undefined;
  readonly endpoint: UpstreamEndpoint | undefined;
  readonly protocol: 'http' | 'grpc' | 'tcp';
  readonly flags: string;
}

/** Those that are hidden are empty, which to Prometheus is as good as not there. */
export function commonLabels(
  facts: TrafficFacts,
  hidden: ReadonlySet<string> = none,
): LabelValues<typeof tcpLabelNames> {
  const { downstream, target } = facts;
  const { source, peer } = downstream;
  const destination = facts.endpoint?.workload;
  const service = target?.kind === 'service' ? target : undefined;
  const show = (name: string, value: string): string => (hidden.has(name) ? '' : value);
  return [
    show('reporter', facts.reporter),
    show('source_workload', known(source?.workloadName)),
    show('source_canonical_service', known(source?.canonicalName)),
    show('source_canonical_revision', known(source?.canonicalRevision)),
    show('source_workload_namespace', known(peer?.namespace ?? source?.namespace)),
    show('source_principal', peer === undefined ? 'unknown' : `spiffe://${peer.principal}`),
    show('source_app', known(source?.canonicalName)),
    show('source_version', known(source?.canonicalRevision)),
    show('source_cluster', known(source?.clusterId)),
    show('destination_workload', known(destination?.workloadName)),
    show('destination_workload_namespace', known(destination?.namespace)),
    show('destination_principal', known(destination?.identity)),
    show('destination_app', known(destination?.canonicalName)),
    show('destination_version', known(destination?.canonicalRevision)),
    show('destination_service', known(service?.hostname)),
    show('destination_canonical_service', known(destination?.canonicalName)),
    show('destination_canonical_revision', known(destination?.canonicalRevision)),
    show('destination_service_name', known(service === undefined ? undefined : shortName(service.hostname))),
    show('destination_service_namespace', known(service?.namespace)),
    show('destination_cluster', known(destination?.clusterId)),
    show('request_protocol', facts.protocol),
    show('response_flags', facts.flags === '' ? '-' : facts.flags),
    show('connection_security_policy', securityPolicy(facts, destination)),
  ];
}

const none: ReadonlySet<string> = new Set();

function securityPolicy({ reporter, downstream }: TrafficFacts, destination: Workload | undefined): string {
  if (reporter === 'source') return 'unknown';
  if (downstream.peer === undefined) return 'none';
  return destination === undefined || destination.identity === '' ? 'unknown' : 'mutual_tls';
}

/** The name of a Kubernetes service; the whole of any other host. */
function shortName(hostname: string): string {
  return /^([^.]+)\.[^.]+\.svc\./.exec(hostname)?.[1] ?? hostname;
}

function known(value: string | undefined): string {
  return value === undefined || value === '' ? 'unknown' : value;
}
