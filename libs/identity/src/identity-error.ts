import { AmbitError, type AmbitErrorOptions } from '@ambit/runtime';

/** Codes of {@link IdentityError}; listed with their meaning in the README. */
export type IdentityErrorCode =
  | 'DER_INVALID'
  | 'PEM_INVALID'
  | 'CERTIFICATE_INVALID'
  | 'CSR_INVALID'
  | 'KEY_UNSUPPORTED'
  | 'SPIFFE_ID_INVALID'
  | 'CA_REQUEST_FAILED'
  | 'CA_RESPONSE_REFUSED'
  | 'CERTIFICATE_UNAVAILABLE'
  | 'IDENTITY_FORGOTTEN';

/** Every error this library throws. Messages never hold key material. */
export class IdentityError extends AmbitError {
  declare readonly code: IdentityErrorCode;

  // oxlint-disable-next-line no-useless-constructor -- narrows the code
  constructor(code: IdentityErrorCode, message: string, options: AmbitErrorOptions = {}) {
    super(code, message, options);
  }
}
