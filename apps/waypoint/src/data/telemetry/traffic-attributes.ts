/** Requests and connections as users' expressions see them. Spec: contract l7 7.1. */
import {
  type AttributeName,
  DurationValue,
  type ExpressionSource,
  type ExpressionValue,
  type HeaderPlace,
} from '@ambit/telemetry';
import { parseSocketAddress } from '@ambit/net';
import type { Workload } from '@ambit/workload';

import { RequestRecord } from '../../request/request-record.ts';
import type { TcpRecord } from '../tcp-record.ts';

/** One finished request, or a connection at any moment. */
export class TrafficAttributes implements ExpressionSource {
  readonly #record: RequestRecord | TcpRecord;

  constructor(record: RequestRecord | TcpRecord) {
    this.#record = record;
  }

  header(of: HeaderPlace, lowerName: string): string | undefined {
    return this.#record.header(of, lowerName);
  }

  attribute(name: AttributeName): ExpressionValue | undefined {
    const record = this.#record;
    const { facts } = record;
    switch (name) {
      case 'source.address':
        return facts.remoteAddress;
      case 'source.port':
        return parseSocketAddress(facts.remoteAddress)?.port;
      case 'source.principal':
      case 'connection.uri_san_peer_certificate':
        return facts.peer === undefined ? undefined : `spiffe://${facts.peer.principal}`;
      case 'destination.address':
        return facts.localAddress;
      case 'destination.port':
        return facts.destinationPort;
      case 'connection.mtls':
        return facts.peer !== undefined;
      case 'connection.requested_server_name':
        return text(record.value('REQUESTED_SERVER_NAME'));
      case 'connection.termination_details':
        return text(record.value('CONNECTION_TERMINATION_DETAILS'));
      case 'response.flags':
        return flagBits(record.value('RESPONSE_FLAGS'));
      case 'response.code_details':
        return record.details;
      case 'upstream.address':
        return record.endpoint?.address;
      case 'upstream.port':
        return record.endpoint === undefined ? undefined : parseSocketAddress(record.endpoint.address)?.port;
      case 'upstream.local_address':
        return record.upstreamLocalAddress;
      case 'upstream.transport_failure_reason':
        return record.transportFailureReason;
      case 'xds.cluster_name':
        return text(record.value('UPSTREAM_CLUSTER'));
      case 'xds.route_name':
        return record.routeName;
      default:
        if (name.startsWith('upstream_peer.')) return peerField(record.endpoint?.workload, name);
        if (name.startsWith('downstream_peer.')) return peerField(facts.source, name);
        return record instanceof RequestRecord ? requestAttribute(record, name) : undefined;
    }
  }
}

function requestAttribute(record: RequestRecord, name: AttributeName): ExpressionValue | undefined {
  const { head } = record;
  switch (name) {
    case 'request.path':
      return head.target;
    case 'request.url_path':
      return head.target.split('?', 1)[0];
    case 'request.query': {
      const at = head.target.indexOf('?');
      return at < 0 ? '' : head.target.slice(at + 1);
    }
    case 'request.host':
      return head.authority;
    case 'request.scheme':
      return record.facts.scheme;
    case 'request.method':
      return head.method;
    case 'request.referer':
      return head.fields.joined('referer');
    case 'request.useragent':
      return head.fields.joined('user-agent');
    case 'request.id':
      return head.fields.joined('x-request-id');
    case 'request.protocol':
      return head.protocol;
    case 'request.size':
      return record.requestBytes;
    case 'request.duration':
      return new DurationValue(record.durationMs);
    case 'response.code':
      return record.status === 0 ? undefined : record.status;
    case 'response.grpc_status':
      return record.grpcStatus;
    case 'response.size':
      return record.responseBytes;
    case 'upstream.request_attempt_count':
      return record.attempts;
    default:
      return undefined;
  }
}

/** Envoy's numbers of its short flags: a flag is the bit of its number. */
const flagNumbers: Readonly<Record<string, number>> = {
  UH: 1,
  UT: 2,
  LR: 3,
  UR: 4,
  UF: 5,
  UC: 6,
  UO: 7,
  NR: 8,
  DI: 9,
  FI: 10,
  RL: 11,
  UAEX: 12,
  RLSE: 13,
  DC: 14,
  URX: 15,
  SI: 16,
  DPE: 18,
  DT: 22,
  UPE: 23,
  NC: 24,
  OM: 25,
};

function flagBits(flags: string | number | undefined): number {
  let bits = 0;
  for (const flag of String(flags ?? '').split(',')) {
    const number = flagNumbers[flag];
    if (number !== undefined) bits += 2 ** number;
  }
  return bits;
}

function peerField(workload: Workload | undefined, name: AttributeName): string | undefined {
  if (workload === undefined) return undefined;
  switch (name.slice(name.indexOf('.') + 1)) {
    case 'name':
      return workload.name;
    case 'namespace':
      return workload.namespace;
    case 'workload':
      return workload.workloadName;
    case 'service':
    case 'app':
      return workload.canonicalName;
    case 'revision':
    case 'version':
      return workload.canonicalRevision;
    case 'cluster':
      return workload.clusterId;
    case 'type':
      return workload.workloadType;
    case 'identity':
      return workload.identity;
    default:
      return undefined;
  }
}

function text(value: string | number | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
