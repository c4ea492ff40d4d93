import { AmbitError, type AmbitErrorOptions } from '@ambit/runtime';

/** Codes of {@link CaError}; {@link ../serve/status-of.ts} maps them to gRPC statuses. */
export type CaErrorCode =
  | 'CALLER_UNKNOWN'
  | 'IMPERSONATION_REFUSED'
  | 'TTL_REFUSED'
  | 'KEY_MATERIAL_INCOMPLETE'
  | 'KEY_MATERIAL_INVALID'
  | 'ROOT_CHANGE_REFUSED'
  | 'SIGNER_EXPIRED'
  | 'UPSTREAM_FAILED';

/** Every error this app throws. The message is for the CA's log; callers get a constant text. */
export class CaError extends AmbitError {
  declare readonly code: CaErrorCode;

  // oxlint-disable-next-line no-useless-constructor -- narrows the code
  constructor(code: CaErrorCode, message: string, options: AmbitErrorOptions = {}) {
    super(code, message, options);
  }
}
