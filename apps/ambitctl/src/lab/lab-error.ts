import { AmbitError } from '@ambit/runtime';

/**
 * - `NOT_ROOT`: namespaces need root.
 * - `TOOL_MISSING`: a program of the system is not installed; the message says which package has it.
 * - `LAB_EXISTS`, `LAB_UNKNOWN`: a lab of this name runs already, or does not.
 * - `BAD_LAB_FILE`, `BAD_MANIFEST`: what was given cannot be used; the message says where.
 * - `POD_UNKNOWN`, `NODE_UNKNOWN`, `PROCESS_UNKNOWN`: no such thing in this lab.
 * - `NOT_READY`: something did not come up in time; the message says what it waited for and shows the end of its log.
 */
export type LabErrorCode =
  | 'NOT_ROOT'
  | 'TOOL_MISSING'
  | 'LAB_EXISTS'
  | 'LAB_UNKNOWN'
  | 'BAD_LAB_FILE'
  | 'BAD_MANIFEST'
  | 'POD_UNKNOWN'
  | 'NODE_UNKNOWN'
  | 'PROCESS_UNKNOWN'
  | 'NOT_READY';

export class LabError extends AmbitError {
  constructor(code: LabErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}
