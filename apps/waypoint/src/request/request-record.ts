/** What becomes known of one request, for metrics, the access log and traces. */
import type { FieldList, RequestHead, ResponseHead } from '@ambit/exchange';
import type { RequestVerdict } from '@ambit/policy';
import type { LoggedRequest, LogValueName } from '@ambit/telemetry';

import type { BackendTarget } from '../config/backend-target.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import type { TraceContext } from './trace/trace-context.ts';
import type { UpstreamEndpoint } from './upstream.ts';

/** Envoy's short flags, those that this proxy can mean. Spec: contract l7 5.4. */
export type ResponseFlag =
  | 'DC'
  | 'DI'
  | 'DPE'
  | 'DT'
  | 'FI'
  | 'LR'
  | 'NC'
  | 'NR'
  | 'OM'
  | 'RL'
  | 'RLSE'
  | 'SI'
  | 'UAEX'
  | 'UC'
  | 'UF'
  | 'UH'
  | 'UO'
  | 'UPE'
  | 'UR'
  | 'URX'
  | 'UT';

/** Who turns finished requests into metrics and log lines. */
export interface RequestObserver {
  onRequestStart(record: RequestRecord): void;
  /** Exactly once for each request that started; the record may be read during the call only. */
  onRequestEnd(record: RequestRecord): void;
}

/** One object for each request, filled along its path, told to the observer once. Time points are monotonic milliseconds. */
export class RequestRecord implements LoggedRequest {
  readonly facts: DownstreamFacts;
  /** As it goes, or would have gone, to the backend. */
  readonly head: RequestHead;
  readonly startMs: number;
  readonly startWallTimeMs: number;
  /** The whole request has come; 0 before. */
  requestEndMs = 0;
  /** The head of the final answer came from the backend, or was made here; 0 before. */
  responseStartMs = 0;
  endMs = 0;
  /** 0: no answer was begun. */
  status = 0;
  details: string | undefined;
  connectionTerminationDetails: string | undefined;
  transportFailureReason: string | undefined;
  /** Body only. */
  requestBytes = 0;
  responseBytes = 0;
  isGrpc = false;
  /** From the answer's trailers or head; undefined if the answer has none. */
  grpcStatus: number | undefined;
  /** Messages of a gRPC request and its answer, counted while they pass. */
  requestMessages = 0;
  responseMessages = 0;
  /** The original client as far as it can be believed (X-Forwarded-For), canonical text; undefined before it was looked at. */
  clientAddress: string | undefined;
  routeName: string | undefined;
  /** Name under which the route's requests are counted by themselves; undefined for none. */
  statisticsName: string | undefined;
  /** The backend that the route chose; undefined if none was. Its service gives the destination_service labels. */
  target: BackendTarget | undefined;
  /** Of the last attempt; undefined for answers made here. */
  endpoint: UpstreamEndpoint | undefined;
  upstreamLocalAddress: string | undefined;
  attempts = 0;
  responseHead: ResponseHead | undefined;
  responseTrailers: FieldList | undefined;
  /** Undefined when the request did not get as far as policies. */
  verdict: RequestVerdict | undefined;
  /** Identities of AUDIT policies that matched. */
  audited: readonly string[] = [];
  /** Of an answer that was made here. */
  localReplyBody: string | Uint8Array = '';
  /** Undefined when requests are not traced. */
  trace: TraceContext | undefined;
  #flags = '';

  constructor(facts: DownstreamFacts, head: RequestHead, startMs: number, startWallTimeMs: number) {
    this.facts = facts;
    this.head = head;
    this.startMs = startMs;
    this.startWallTimeMs = startWallTimeMs;
  }

  /** Short flags joined with a comma; empty for none (shown as `-`). */
  get flags(): string {
    return this.#flags;
  }

  get durationMs(): number {
    return this.endMs - this.startMs;
  }

  addFlag(flag: ResponseFlag): void {
    if (this.#flags === '') this.#flags = flag;
    else if (!this.#flags.split(',').includes(flag)) this.#flags = `${this.#flags},${flag}`;
  }

  /** `inbound-vip|<port>|http[/<subset>]|<host>` at a waypoint, `outbound|<port>|<subset>|<host>` elsewhere. Istio: cluster names. */
  get clusterName(): string | undefined {
    const { target } = this;
    if (target === undefined) return undefined;
    if (target.kind === 'workload') return 'encap';
    const { hostname, port, subset } = target;
    const { served } = this.facts;
    if (served.kind === 'service' && served.hostname === hostname && served.port === port) {
      return `inbound-vip|${port}|http${subset === '' ? '' : `/${subset}`}|${hostname}`;
    }
    return `outbound|${port}|${subset}|${hostname}`;
  }

  /** A client behind another proxy has no port that is known. */
  get #remoteAddress(): string {
    const { clientAddress, facts } = this;
    if (clientAddress === undefined || clientAddress === facts.sourceAddress) return facts.remoteAddress;
    return clientAddress.includes(':') ? `[${clientAddress}]:0` : `${clientAddress}:0`;
  }

  value(name: LogValueName): string | number | undefined {
    switch (name) {
      case 'PROTOCOL':
        return this.head.protocol;
      case 'RESPONSE_CODE':
        return this.status;
      case 'RESPONSE_CODE_DETAILS':
        return this.details;
      case 'RESPONSE_FLAGS':
        return this.#flags === '' ? '-' : this.#flags;
      case 'CONNECTION_TERMINATION_DETAILS':
        return this.connectionTerminationDetails;
      case 'UPSTREAM_TRANSPORT_FAILURE_REASON':
        return this.transportFailureReason;
      case 'BYTES_RECEIVED':
        return this.requestBytes;
      case 'BYTES_SENT':
        return this.responseBytes;
      case 'DURATION':
        return Math.round(this.durationMs);
      case 'REQUEST_DURATION':
        return since(this.startMs, this.requestEndMs);
      case 'RESPONSE_DURATION':
        return since(this.startMs, this.responseStartMs);
      case 'UPSTREAM_HOST':
        return this.endpoint?.address;
      case 'UPSTREAM_CLUSTER':
      case 'UPSTREAM_CLUSTER_RAW':
        return this.clusterName;
      case 'UPSTREAM_LOCAL_ADDRESS':
        return this.upstreamLocalAddress;
      case 'UPSTREAM_REQUEST_ATTEMPT_COUNT':
        return this.attempts;
      case 'DOWNSTREAM_LOCAL_ADDRESS':
        return this.facts.localAddress;
      case 'DOWNSTREAM_REMOTE_ADDRESS':
        return this.#remoteAddress;
      case 'DOWNSTREAM_PEER_URI_SAN':
        return this.facts.peer === undefined ? undefined : `spiffe://${this.facts.peer.principal}`;
      case 'REQUESTED_SERVER_NAME':
        return this.facts.serverName;
      case 'ROUTE_NAME':
        return this.routeName;
      case 'GRPC_STATUS_NUMBER':
        return this.grpcStatus;
      case 'TRACE_ID':
        return this.trace?.traceId;
      case 'SPAN_ID':
        return this.trace?.spanId;
      case 'LOCAL_REPLY_BODY':
        return typeof this.localReplyBody === 'string'
          ? this.localReplyBody
          : Buffer.from(this.localReplyBody).toString();
      case 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS':
        return this.facts.remoteAddress;
      case 'RESPONSE_TX_DURATION':
        return this.responseStartMs === 0 ? undefined : since(this.responseStartMs, this.endMs);
    }
  }

  header(of: 'request' | 'response' | 'trailers', lowerName: string): string | undefined {
    switch (of) {
      case 'request':
        return requestField(this.head, lowerName);
      case 'response':
        if (lowerName === ':status') return this.status === 0 ? undefined : String(this.status);
        return this.responseHead?.fields.joined(lowerName);
      case 'trailers':
        return this.responseTrailers?.joined(lowerName);
    }
  }
}

function since(startMs: number, endMs: number): number | undefined {
  return endMs === 0 ? undefined : Math.round(endMs - startMs);
}

function requestField(head: RequestHead, lowerName: string): string | undefined {
  switch (lowerName) {
    case ':method':
      return head.method;
    case ':path':
      return head.target;
    case ':authority':
    case 'host':
      return head.authority;
    case ':scheme':
      return head.scheme;
    default:
      return head.fields.joined(lowerName);
  }
}
