/** How a call ended, as its client is told. Pure. Spec: gRPC over HTTP/2 (Responses, Errors), http-grpc-status-mapping. */
import type { ExchangeError, FieldList, ResponseHead } from '@ambit/exchange';
import { GrpcError, type GrpcStatus, grpcStatusOfCode } from '../grpc-error.ts';
import { grpcStatusOfHttp } from '../wire-status.ts';

/** Codes of RST_STREAM; all others are INTERNAL. */
const OF_RESET: ReadonlyMap<number | undefined, GrpcStatus> = new Map([
  [0x7, 'UNAVAILABLE'],
  [0x8, 'CANCELLED'],
  [0xb, 'RESOURCE_EXHAUSTED'],
  [0xc, 'PERMISSION_DENIED'],
]);

const LONGEST_TEXT = 4_096;

/** Why an answer with this head is none of gRPC; undefined if it may be one. */
export function headProblem({ status, fields }: ResponseHead): GrpcError | undefined {
  if (status !== 200) {
    const told = fields.has('grpc-status') ? endOf(fields) : undefined;
    return told ?? new GrpcError(grpcStatusOfHttp(status), `the server answered with HTTP status ${status}`);
  }
  const type = fields.get('content-type') ?? 'none';
  if (/^application\/grpc(?:$|[+;])/.test(type)) return undefined;
  return new GrpcError('UNKNOWN', `the server answered with content type ${type.slice(0, 100)}`);
}

/** What trailers say, or the head of an answer that is nothing else; undefined: OK. */
export function endOf(fields: FieldList | undefined): GrpcError | undefined {
  const code = fields?.get('grpc-status');
  if (code === undefined || !/^\d{1,3}$/.test(code))
    return new GrpcError('UNKNOWN', 'the answer ended without a status');
  if (Number(code) === 0) return undefined;
  const status = grpcStatusOfCode(Number(code));
  return new GrpcError(status, textOf(fields?.get('grpc-message') ?? '') || `the server answered ${status}`);
}

/** Of an exchange that ended before its answer did. */
export function failureOf(error: ExchangeError): GrpcError {
  return new GrpcError(statusOf(error), error.message, { cause: error });
}

function statusOf({ kind, http2Code }: ExchangeError): GrpcStatus {
  switch (kind) {
    case 'reset':
      return OF_RESET.get(http2Code) ?? 'INTERNAL';
    case 'refused':
    case 'lost':
    case 'timeout':
      return 'UNAVAILABLE';
    case 'closed':
      return 'CANCELLED';
    case 'overload':
      return 'RESOURCE_EXHAUSTED';
    case 'protocol':
      return 'INTERNAL';
  }
}

/** Undoes percent-encoding; what is none stays. */
function textOf(message: string): string {
  try {
    return decodeURIComponent(message.slice(0, LONGEST_TEXT));
  } catch {
    return message.slice(0, LONGEST_TEXT);
  }
}
