import { AmbitError, type AmbitErrorOptions, type ErrorSource } from '@ambit/runtime';

/** Codes of {@link XdsError}; the README says what each means. */
export type XdsErrorCode =
  | 'MALFORMED'
  | 'UNKNOWN_TYPE'
  | 'TOO_MANY_NAMES'
  | 'TOO_MANY_TYPES'
  | 'BAD_NODE'
  | 'NODE_NOT_OF_CALLER';

const SOURCES: Readonly<Record<XdsErrorCode, ErrorSource>> = {
  MALFORMED: 'downstream',
  UNKNOWN_TYPE: 'internal',
  TOO_MANY_NAMES: 'downstream',
  TOO_MANY_TYPES: 'downstream',
  BAD_NODE: 'downstream',
  NODE_NOT_OF_CALLER: 'policy',
};

/** What libs/xds throws. */
export class XdsError extends AmbitError {
  declare readonly code: XdsErrorCode;

  constructor(code: XdsErrorCode, message: string, options: AmbitErrorOptions = {}) {
    super(code, message, { source: SOURCES[code], ...options });
  }
}
