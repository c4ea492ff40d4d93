/**
 * Connects from inside a pod to the address that nobody owns, and waits for ztunnel's line. The socket is made in the pod's
 * namespace and has no mark, like one of the application.
 */
import {
  EAGAIN,
  enforcementProbe,
  EPOLLIN,
  EPOLLOUT,
  io,
  maxProbeAnswerBytes,
  parseProbeAnswer,
  watchFd,
} from '@ambit/net';
import type { Clock } from '@ambit/runtime';
import type { ProbeOutcome } from './judge-proof.ts';

/** ztunnel waits up to 5 s to be told of a pod before it answers that it does not know it. */
const DEADLINE_MS = 6_000;
const EACCES = 13;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;
const UNROUTABLE: readonly number[] = [EACCES, ENETUNREACH, EHOSTUNREACH];
/** ENOMEM, ENFILE, EMFILE: the agent's trouble, not the pod's. */
const EXHAUSTED: readonly number[] = [12, 23, 24];
const ECONNREFUSED = 111;

/** Never rejects. `family` is one of the pod's own addresses' families. */
export function probeCapture(netnsFd: number, family: 'v4' | 'v6', clock: Clock): Promise<ProbeOutcome> {
  const fd = io.tcpConnect({ netnsFd, address: enforcementProbe[family], port: enforcementProbe.port });
  // Without a route nothing can leave by one; that is not a sign of a missing capture.
  if (fd < 0)
    return Promise.resolve({
      kind: UNROUTABLE.includes(-fd) ? 'unroutable' : EXHAUSTED.includes(-fd) ? 'not-tried' : 'lost',
    });
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const buffer = new Uint8Array(maxProbeAnswerBytes);
  let used = 0;
  let isConnected = false;
  let watch: Disposable | undefined;
  const end = (outcome: ProbeOutcome): void => {
    watch?.[Symbol.dispose]();
    deadline[Symbol.dispose]();
    io.close(fd);
    resolve(outcome);
  };
  const deadline = clock.after(DEADLINE_MS, () => end({ kind: isConnected ? 'accepted-in-silence' : 'lost' }));
  const read = (): void => {
    const count = io.read(fd, buffer, used, buffer.length - used);
    if (count === -EAGAIN) return;
    if (count > 0) {
      used += count;
      if (used < buffer.length) return;
    }
    const answer = parseProbeAnswer(Buffer.from(buffer.subarray(0, used)).toString('latin1'));
    end(answer === undefined ? { kind: 'accepted-in-silence' } : { kind: 'answered', answer });
  };
  watch = watchFd(fd, EPOLLOUT, () => {
    const error = io.socketError(fd);
    if (error !== 0) return end({ kind: Math.abs(error) === ECONNREFUSED ? 'refused' : 'lost' });
    isConnected = true;
    watch?.[Symbol.dispose]();
    watch = watchFd(fd, EPOLLIN, read);
  });
  return promise;
}
