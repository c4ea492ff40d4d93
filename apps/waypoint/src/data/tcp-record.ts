/** What becomes known of one connection that is not read as HTTP, for metrics and the access log. */
import type { LoggedRequest, LogValueName } from '@ambit/telemetry';

import type { ServiceTarget, WorkloadTarget } from '../config/backend-target.ts';
import type { DownstreamFacts } from '../request/downstream-facts.ts';
import type { ResponseFlag } from '../request/request-record.ts';
import type { UpstreamEndpoint } from '../request/upstream.ts';

export class TcpRecord implements LoggedRequest {
  readonly facts: DownstreamFacts;
  readonly startMs: number;
  readonly startWallTimeMs: number;
  endMs = 0;
  /** From the client. */
  bytesReceived = 0;
  /** To the client. */
  bytesSent = 0;
  flag: ResponseFlag | '' = '';
  details: string | undefined;
  transportFailureReason: string | undefined;
  routeName: string | undefined;
  serverName: string | undefined;
  target: ServiceTarget | WorkloadTarget | undefined;
  endpoint: UpstreamEndpoint | undefined;
  upstreamLocalAddress: string | undefined;

  constructor(facts: DownstreamFacts, startMs: number, startWallTimeMs: number) {
    this.facts = facts;
    this.startMs = startMs;
    this.startWallTimeMs = startWallTimeMs;
  }

  value(name: LogValueName): string | number | undefined {
    const { facts } = this;
    switch (name) {
      case 'RESPONSE_CODE':
        return 0;
      case 'RESPONSE_FLAGS':
        return this.flag === '' ? '-' : this.flag;
      case 'RESPONSE_CODE_DETAILS':
        return this.details;
      case 'UPSTREAM_TRANSPORT_FAILURE_REASON':
        return this.transportFailureReason;
      case 'BYTES_RECEIVED':
        return this.bytesReceived;
      case 'BYTES_SENT':
        return this.bytesSent;
      case 'DURATION':
        return Math.round(this.endMs - this.startMs);
      case 'UPSTREAM_HOST':
        return this.endpoint?.address;
      case 'UPSTREAM_CLUSTER':
      case 'UPSTREAM_CLUSTER_RAW':
        return this.#clusterName;
      case 'UPSTREAM_LOCAL_ADDRESS':
        return this.upstreamLocalAddress;
      case 'DOWNSTREAM_LOCAL_ADDRESS':
        return facts.localAddress;
      case 'DOWNSTREAM_REMOTE_ADDRESS':
      case 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS':
        return facts.remoteAddress;
      case 'DOWNSTREAM_PEER_URI_SAN':
        return facts.peer === undefined ? undefined : `spiffe://${facts.peer.principal}`;
      case 'REQUESTED_SERVER_NAME':
        return this.serverName;
      case 'ROUTE_NAME':
        return this.routeName;
      default:
        return undefined;
    }
  }

  header(): undefined {
    return undefined;
  }

  get #clusterName(): string | undefined {
    const { target } = this;
    if (target === undefined) return undefined;
    if (target.kind === 'workload') return 'encap';
    const { hostname, port, subset } = target;
    const { served } = this.facts;
    return served.kind === 'service' && served.hostname === hostname && served.port === port
      ? `inbound-vip|${port}|tcp${subset === '' ? '' : `/${subset}`}|${hostname}`
      : `outbound|${port}|${subset}|${hostname}`;
  }
}
