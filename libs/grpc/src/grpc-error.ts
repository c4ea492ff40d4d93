import { AmbitError, type AmbitErrorOptions } from '@ambit/runtime';

/** The index is the code on the wire, as sent in `grpc-status`. */
const grpcStatusNames = [
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
] as const;

/** gRPC status codes by name. */
export type GrpcStatus = (typeof grpcStatusNames)[number];

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
  return grpcStatusNames.indexOf(name);
}

/** Turns whatever grpc-js rejected with into a {@link GrpcError}; a GrpcError is returned unchanged. */
export function toGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') {
    const details = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
    return new GrpcError(grpcStatusOfCode(error.code), details, { cause: error });
  }
  return new GrpcError('UNKNOWN', error instanceof Error ? error.message : String(error), { cause: error });
}

/** The code of a name, in any case; -1 for one that is none. */
export function grpcCodeOf(name: string): number {
  const wanted = name.toUpperCase();
  return grpcStatusNames.findIndex((one) => one === wanted);
}

/** The name of a code; UNKNOWN for one that is none. */
export function grpcStatusOfCode(code: number): GrpcStatus {
  return grpcStatusNames[code] ?? 'UNKNOWN';
}
