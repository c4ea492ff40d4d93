import { GrpcError, type GrpcStatus } from '@ambit/grpc';
import { toAmbitError } from '@ambit/runtime';

/** What callers hear; the reason is in the CA's log only. Spec: control-plane contract 6.1. */
const AUTHENTICATION_FAILURE = 'request authenticate failure';
const IMPERSONATION_FAILURE = 'request impersonation authentication failure';

/** The one table from error codes to gRPC statuses; `undefined` text sends the error's own message. */
const TABLE: Readonly<Record<string, readonly [GrpcStatus, string | undefined]>> = {
  CALLER_UNKNOWN: ['UNAUTHENTICATED', AUTHENTICATION_FAILURE],
  IMPERSONATION_REFUSED: ['UNAUTHENTICATED', IMPERSONATION_FAILURE],
  FILE_UNREADABLE: ['UNAUTHENTICATED', IMPERSONATION_FAILURE],
  CSR_INVALID: ['INVALID_ARGUMENT', undefined],
  KEY_UNSUPPORTED: ['INVALID_ARGUMENT', undefined],
  TTL_REFUSED: ['INVALID_ARGUMENT', undefined],
  SIGNER_EXPIRED: ['INTERNAL', 'CA is not ready'],
};

/** Turns any error into what the caller sees; unknown ones become INTERNAL without detail. */
export function statusOf(error: unknown): GrpcError {
  const { code, message } = toAmbitError(error);
  const [status, text] = TABLE[code] ?? ['INTERNAL', 'signing failed'];
  return new GrpcError(status, text ?? message, { cause: error });
}
