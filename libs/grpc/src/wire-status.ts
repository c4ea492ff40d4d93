/** Statuses as HTTP carries them. Pure. Spec: gRPC over HTTP/2 (Status-Message), http-grpc-status-mapping. */
import type { GrpcStatus } from './grpc-error.ts';

/** Answers of what is no gRPC server, such as a proxy on the way. */
const OF_HTTP: ReadonlyMap<number, GrpcStatus> = new Map([
  [400, 'INTERNAL'],
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [404, 'UNIMPLEMENTED'],
  [429, 'UNAVAILABLE'],
  [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'],
  [504, 'UNAVAILABLE'],
]);
const LONGEST_STATUS_TEXT = 1024;

/** What a gRPC client makes of an HTTP status other than 200. */
export function grpcStatusOfHttp(httpStatus: number): GrpcStatus {
  return OF_HTTP.get(httpStatus) ?? 'UNKNOWN';
}

/** Value of `grpc-message`: all but visible ASCII and the percent sign is escaped, and what is too long is cut. */
export function statusText(message: string): string {
  return message
    .slice(0, LONGEST_STATUS_TEXT)
    .toWellFormed()
    .replaceAll(/[^ -$&-~]/gu, (character) => encodeURIComponent(character));
}
