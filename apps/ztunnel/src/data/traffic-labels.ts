/**
 * The labels of the traffic metrics, in the order in which Istio's ztunnel writes them. Pure.
 * Spec: contract data-plane 7.1.
 */
import type { LabelValues } from '@ambit/telemetry';
import type { ServiceDescription, Workload } from '@ambit/workload';
import type { Baggage } from './baggage.ts';
import type { ResponseFlag } from './failure.ts';

export const trafficLabelNames = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  'destination_workload',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
] as const;

/** Which side of the connection this proxy serves. */
export type Reporter = 'source' | 'destination';

/** What is known of a connection when it opens. */
export interface TrafficFacts {
  readonly reporter: Reporter;
  /** From the mesh's state; wins over the baggage in everything but the principal. */
  readonly source: Workload | undefined;
  /** What the peer says of itself. */
  readonly sourceBaggage: Baggage | undefined;
  /** Only an identity that TLS proved; SPIFFE id. */
  readonly sourcePrincipal: string | undefined;
  /** Who is dialled: the waypoint when there is one. */
  readonly destination: Workload | undefined;
  readonly service: ServiceDescription | undefined;
  readonly isMutualTls: boolean;
}

/** The values for the names above; `-` is the flag of a connection without failure. */
export function trafficLabels(facts: TrafficFacts, flag: ResponseFlag | '-'): LabelValues<typeof trafficLabelNames> {
  const { reporter, source: w, sourceBaggage: b, destination: d, service: s } = facts;
  return [
    reporter,
    known(w ? w.workloadName : b?.workloadName),
    known(w ? w.canonicalName : b?.serviceName),
    known(w ? w.canonicalRevision : b?.serviceVersion),
    known(w ? w.namespace : b?.namespace),
    known(facts.sourcePrincipal),
    // Known from baggage only, the application is the workload's name, not the canonical one.
    known(w ? w.canonicalName : b?.workloadName),
    known(w ? w.canonicalRevision : b?.serviceVersion),
    known(w ? w.clusterId : b?.cluster),
    known(s?.hostname),
    known(s?.namespace),
    known(s?.name),
    known(d?.workloadName),
    known(d?.canonicalName),
    known(d?.canonicalRevision),
    known(d?.namespace),
    known(d?.identity),
    known(d?.canonicalName),
    known(d?.canonicalRevision),
    known(d?.clusterId),
    'tcp',
    flag,
    facts.isMutualTls ? 'mutual_tls' : 'unknown',
    known(w ? w.locality.region : b?.region),
    known(w ? w.locality.zone : b?.zone),
    known(d?.locality.region),
    known(d?.locality.zone),
  ];
}

function known(value: string | undefined): string {
  return value === undefined || value === '' ? 'unknown' : value;
}
