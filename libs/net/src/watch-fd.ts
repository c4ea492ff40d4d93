/** Watching descriptors from a thread that runs Node's own loop (the main thread). Data workers use EventLoop. */
import { EPOLLERR, EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import { io, type Fd } from './io.ts';
import { checked } from './net-error.ts';

const uvReadable = 1;
const uvWritable = 2;

/**
 * Calls back with EPOLLIN, EPOLLOUT or EPOLLERR while the descriptor is ready (level-triggered) and keeps the process
 * alive. Dispose before closing the descriptor. One watch per descriptor. Throws NetError.
 */
export function watchFd(fd: Fd, events: number, callback: (events: number) => void): Disposable {
  const wanted = ((events & EPOLLIN) === 0 ? 0 : uvReadable) | ((events & EPOLLOUT) === 0 ? 0 : uvWritable);
  const token = io.pollStart(fd, wanted, (ready) => {
    if (ready < 0) callback(EPOLLERR);
    else callback(((ready & uvReadable) === 0 ? 0 : EPOLLIN) | ((ready & uvWritable) === 0 ? 0 : EPOLLOUT));
  });
  if (typeof token === 'number') {
    checked('watchFd', token);
    throw new TypeError('watchFd: no token');
  }
  let isWatched = true;
  return {
    [Symbol.dispose]() {
      if (isWatched) io.pollStop(token);
      isWatched = false;
    },
  };
}
