import { AmbitError } from '@ambit/runtime';

/**
 * - `TOOL_MISSING`: helm is not installed.
 * - `HELM_FAILED`: helm ended with an error; the message is its own.
 * - `BAD_SOURCE`: definitions cannot be read from where they were said to be.
 */
export type InstallErrorCode = 'TOOL_MISSING' | 'HELM_FAILED' | 'BAD_SOURCE';

export class InstallError extends AmbitError {
  constructor(code: InstallErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}
