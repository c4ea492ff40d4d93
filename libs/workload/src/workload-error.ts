import { AmbitError } from '@ambit/runtime';

/** Why a resource of the workload API is refused; each becomes the text of a NACK. */
export type WorkloadErrorCode =
  | 'WORKLOAD_MALFORMED'
  | 'WORKLOAD_UNKNOWN_ENUM'
  | 'WORKLOAD_BAD_ADDRESS'
  | 'WORKLOAD_BAD_HOSTNAME'
  | 'WORKLOAD_BAD_GATEWAY'
  | 'WORKLOAD_TOO_LARGE';

/** A resource that cannot be taken over. Thrown by the decoders, never by a lookup. */
export class WorkloadError extends AmbitError {
  constructor(code: WorkloadErrorCode, message: string) {
    super(code, message, { source: 'upstream' });
  }
}
