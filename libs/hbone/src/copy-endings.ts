import { ECONNABORTED, ECONNRESET, ENOTCONN, EPIPE } from '@ambit/net';

/** Edge-triggered mode of epoll(7): a paused direction needs no system call, its owner remembers that it is ready. */
export const EPOLLET: number = 1 << 31;

/**
 * Failures of a socket that are ordinary endings of a TCP connection: reported as success.
 * Spec: data-plane 1.9. `result` is -errno.
 */
export function isOrdinaryEnding(result: number): boolean {
  switch (-result) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED:
      return true;
    default:
      return false;
  }
}
