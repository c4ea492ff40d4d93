import { EAGAIN, io, type ByteQueue, type Fd } from '@ambit/net';

/** Writes as much as `fd` takes. Returns how many bytes, or -errno if none went for another reason than EAGAIN. */
export function writePending(pending: ByteQueue, fd: Fd): number {
  const before = pending.length;
  const result = pending.drainTo((buffer, offset, length) => {
    const written = io.write(fd, buffer, offset, length);
    return written === -EAGAIN ? 0 : written;
  });
  const written = before - pending.length;
  return written > 0 ? written : result;
}
