/** A sink on a file descriptor for the access log of a blocking worker. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import type { LogSink } from './access-log-writer.ts';

/** A sink and the largest write that keeps its lines whole. */
export interface DescriptorSink {
  readonly sink: LogSink;
  readonly maxWriteBytes: number;
}

/** Linux: writes up to this size to a pipe are not mixed with those of other writers. */
const PIPE_BUF = 4096;

/**
 * A sink that never blocks for long. A pipe is opened again through /proc with `O_NONBLOCK`, which leaves the other
 * holders of the pipe (pino, child processes) as they were; a reader that stalls then costs lines, not connections.
 * Files are written as they are. Other kinds (a socket) keep the descriptor's own mode.
 */
export function descriptorSink(fd: number): DescriptorSink {
  let target = fd;
  const isPipe = fstatSync(fd).isFIFO();
  if (isPipe) {
    try {
      target = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      // Another user's pipe cannot be opened again; it may block then.
      target = fd;
    }
  }
  return { sink: writer(target), maxWriteBytes: isPipe ? PIPE_BUF : Number.MAX_SAFE_INTEGER };
}

function writer(fd: number): LogSink {
  return (bytes, offset, length) => {
    try {
      return writeSync(fd, bytes, offset, length);
    } catch {
      return 0;
    }
  };
}
