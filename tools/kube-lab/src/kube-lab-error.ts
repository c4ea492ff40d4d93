import { AmbitError } from '@ambit/runtime';

/**
 * - `NOT_ROOT`: a lab needs root.
 * - `TOOL_MISSING`: a program of the system is not there; the message says how to get it.
 * - `BUILD_FAILED`: a program or image could not be built; the message ends with the builder's last lines.
 * - `ALREADY_UP`, `NOT_UP`: a lab of this name runs already, or does not.
 * - `BAD_ARGUMENT`: what was asked for cannot be.
 * - `UNSUITABLE_MACHINE`: file system, kernel or port of this machine stands in the way.
 * - `NOT_READY`: something did not come up in time; the message shows the end of its log.
 * - `INTERRUPTED`: a signal came while something was being brought up; it was removed.
 * - `UNSUPPORTED`: this cluster cannot do that, such as node failures in a cluster that was brought along.
 */
export type KubeLabErrorCode =
  | 'NOT_ROOT'
  | 'TOOL_MISSING'
  | 'BUILD_FAILED'
  | 'ALREADY_UP'
  | 'NOT_UP'
  | 'BAD_ARGUMENT'
  | 'UNSUITABLE_MACHINE'
  | 'NOT_READY'
  | 'INTERRUPTED'
  | 'UNSUPPORTED';

/** Whatever goes wrong with a lab. */
export class KubeLabError extends AmbitError {
  constructor(code: KubeLabErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}
