/** What operators of a log format show of a request. */
import type { LoggedRequest, LogOperator } from './log-operator.ts';
import { startTime } from './start-time.ts';

export type LogValue = string | number | boolean;

/** What an operator shows of a request; empty for nothing. */
export function operatorText(operator: LogOperator, request: LoggedRequest): string {
  return String(operatorValue(operator, request) ?? '');
}

/** Undefined for nothing. */
export function operatorValue(operator: LogOperator, request: LoggedRequest): LogValue | undefined {
  switch (operator.kind) {
    case 'literal':
      return operator.text;
    case 'value':
      return request.value(operator.name);
    case 'start-time':
      return startTime(request.startWallTimeMs, operator.format);
    case 'header':
      return headerValue(operator, request);
    case 'address-part':
      return addressPart(request.value(operator.name), operator.part);
    case 'long-flags':
      return longFlags(request.value('RESPONSE_FLAGS'));
    case 'grpc-status':
      return grpcStatus(request.value('GRPC_STATUS_NUMBER'), operator.style);
    case 'expression': {
      const value = operator.valueOf(request);
      return typeof value === 'string' ? value.slice(0, operator.maxChars) : value;
    }
    case 'absent':
      return undefined;
  }
}

function headerValue(operator: LogOperator & { readonly kind: 'header' }, request: LoggedRequest): string | undefined {
  const { of, name, fallback, maxChars, dropsQuery } = operator;
  let value = request.header(of, name);
  if (value === undefined && fallback !== undefined) value = request.header(of, fallback);
  if (value === undefined) return undefined;
  const query = dropsQuery ? value.indexOf('?') : -1;
  const kept = query < 0 ? value : value.slice(0, query);
  return maxChars === undefined ? kept : kept.slice(0, maxChars);
}

function addressPart(address: LogValue | undefined, part: 'host' | 'port'): string | number | undefined {
  if (typeof address !== 'string') return undefined;
  const at = address.lastIndexOf(':');
  if (part === 'port') return at < 0 ? undefined : Number(address.slice(at + 1));
  return (at < 0 ? address : address.slice(0, at)).replace(/^\[(.*)\]$/, '$1');
}

/** Envoy's names of its short flags. */
const flagNames: Readonly<Record<string, string>> = {
  DC: 'DownstreamConnectionTermination',
  DI: 'DelayInjected',
  DPE: 'DownstreamProtocolError',
  DT: 'DurationTimeout',
  FI: 'FaultInjected',
  LR: 'LocalReset',
  NC: 'NoClusterFound',
  NR: 'NoRouteFound',
  OM: 'OverloadManagerTerminated',
  RL: 'RateLimited',
  RLSE: 'RateLimitServiceError',
  SI: 'StreamIdleTimeout',
  UAEX: 'UnauthorizedExternalService',
  UC: 'UpstreamConnectionTermination',
  UF: 'UpstreamConnectionFailure',
  UH: 'NoHealthyUpstream',
  UO: 'UpstreamOverflow',
  UPE: 'UpstreamProtocolError',
  UR: 'UpstreamRemoteReset',
  URX: 'UpstreamRetryLimitExceeded',
  UT: 'UpstreamRequestTimeout',
};

function longFlags(flags: LogValue | undefined): string | undefined {
  if (typeof flags !== 'string') return undefined;
  return flags
    .split(',')
    .map((flag) => flagNames[flag] ?? flag)
    .join(',');
}

/** By number. Spec: gRPC status codes. */
const grpcNames: readonly string[] = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

/** A number that has no name stands as it is. */
function grpcStatus(status: LogValue | undefined, style: 'camel' | 'snake' | 'number'): LogValue | undefined {
  const name = style === 'number' || typeof status !== 'number' ? undefined : grpcNames[status];
  if (name === undefined) return status;
  if (style === 'camel' || name === 'OK') return name;
  // As in the enumeration of the gRPC libraries, which writes this one with two Ls.
  if (name === 'Canceled') return 'CANCELLED';
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}
