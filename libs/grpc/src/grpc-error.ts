import { AmbitError, type AmbitErrorOptions } from '@ambit/runtime';
import { status } from '@grpc/grpc-js';

/** gRPC status codes by name, as sent in `grpc-status`. */
export type GrpcStatus = keyof typeof status;

/**
 * What a server handler throws to choose the status the caller sees, and what a client call rejects with.
 *
 * `message` travels to the peer: it must not hold secrets or internal detail. `code` is `GRPC_` plus the status name,
 * for example `GRPC_UNAUTHENTICATED`.
 */
export class GrpcError extends AmbitError {
  /** The gRPC status. */
  readonly status: GrpcStatus;

  constructor(grpcStatus: GrpcStatus, message: string, options: AmbitErrorOptions = {}) {
    super(`GRPC_${grpcStatus}`, message, { source: 'upstream', retryable: RETRYABLE.has(grpcStatus), ...options });
    this.status = grpcStatus;
  }
}

const RETRYABLE: ReadonlySet<GrpcStatus> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
]);

/** Number of a status on the wire. */
export function grpcStatusCode(name: GrpcStatus): number {
  return status[name];
}

/** Turns whatever grpc-js rejected with into a {@link GrpcError}; a GrpcError is returned unchanged. */
export function toGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') {
    const details = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
    return new GrpcError(statusName(error.code), details, { cause: error });
  }
  return new GrpcError('UNKNOWN', error instanceof Error ? error.message : String(error), { cause: error });
}

/** The code of a name, in any case; -1 for one that is none. */
export function grpcCodeOf(name: string): number {
  const wanted = name.toUpperCase();
  return grpcStatusNames.findIndex((one) => one === wanted);
}

function statusName(code: number): GrpcStatus {
  return grpcStatusNames.find((name) => status[name] === code) ?? 'UNKNOWN';
}

/** The index is the code on the wire. */
const grpcStatusNames: readonly GrpcStatus[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
