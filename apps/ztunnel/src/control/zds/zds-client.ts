/**
 * Keeps a connection to the node agent and plays its requests into the pod registry, one at a time and in order.
 *
 * A lost connection changes no pod; readiness goes until the next snapshot. Protocol violations get an error ack and
 * close the connection (Istio's ztunnel ends the process for some of them, which an agent cannot tell apart).
 */
import { io, watchFd, EPOLLIN } from '@ambit/net';
import type { Clock } from '@ambit/runtime';
import { AmbitError, Backoff, delay, toAmbitError } from '@ambit/runtime';
import type { Netns, PodRegistry } from './pod-registry.ts';
import type { PodSession } from './pod-registry.ts';
import { decodeRequest, encodeAck, encodeHello, MAX_PACKET_BYTES } from './zds-message.ts';

export interface ZdsClientOptions {
  readonly socketPath: string;
  readonly registry: PodRegistry;
  readonly clock: Clock;
  /** True from a received snapshot until the connection is lost. */
  readonly onSynced: (isSynced: boolean) => void;
  readonly onDisconnect: (error: AmbitError | undefined, retryMs: number) => void;
}

const EAGAIN = 11;

/** Runs until the signal is aborted. */
export async function runZdsClient(
  options: ZdsClientOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  // Istio: first wait 20 ms, doubling, cap 15 s; a clean end reconnects at once; jitter only after a failed hello.
  // Our cap is lower: no pod starts between the return of the agent and ours, and looking for a socket costs nothing.
  const connectBackoff = new Backoff({ initialMs: 20, maxMs: 1_000 });
  const helloBackoff = new Backoff({ initialMs: 5, maxMs: 15_000, jitter: 0.2 });
  while (!signal.aborted) {
    let waitMs = 0;
    let failure: AmbitError | undefined;
    const fd = io.seqpacketConnect(options.socketPath);
    if (fd < 0) {
      failure = new AmbitError(
        'ZDS_UNREACHABLE',
        `cannot connect to the node agent at ${options.socketPath} (errno ${-fd})`,
        { source: 'upstream', retryable: true },
      );
      waitMs = connectBackoff.nextMs();
    } else {
      connectBackoff.reset();
      const session = options.registry.session();
      try {
        await serve(fd, session, options, signal);
        helloBackoff.reset();
      } catch (cause) {
        failure = toAmbitError(cause);
        // A connection that got as far as a snapshot is retried at once; a broken hello is not hammered.
        waitMs = session.hasSnapshot ? 0 : helloBackoff.nextMs();
      } finally {
        io.close(fd);
        options.onSynced(false);
      }
    }
    if (signal.aborted) return;
    options.onDisconnect(failure, waitMs);
    // An agent that accepts and closes in a loop must not spin this thread.
    await delay(Math.max(waitMs, 5), { signal }).catch(() => {});
  }
}

/** Serves one connection until the agent closes it. */
async function serve(fd: number, session: PodSession, options: ZdsClientOptions, signal: AbortSignal): Promise<void> {
  send(fd, encodeHello());
  const buffer = new Uint8Array(MAX_PACKET_BYTES);
  for (;;) {
    const packet = io.receivePacket(fd, buffer);
    if (typeof packet === 'number') {
      if (packet !== -EAGAIN)
        throw new AmbitError('ZDS_BROKEN', `reading from the node agent failed (errno ${-packet})`, {
          source: 'upstream',
          retryable: true,
        });
      await readable(fd, signal);
      continue;
    }
    if (packet.length === 0) {
      closeAll(packet.fds);
      return;
    }
    const decoded = packet.truncated
      ? ({
          kind: 'violation',
          text: `a packet of more than ${MAX_PACKET_BYTES} bytes, or with a descriptor for which there is no room here`,
        } as const)
      : decodeRequest(buffer.subarray(0, packet.length), packet.fds.length);
    if (decoded.kind === 'violation') {
      closeAll(packet.fds);
      violate(fd, decoded.text);
    }
    const { request } = decoded;
    switch (request.kind) {
      case 'add': {
        const [netnsFd] = packet.fds;
        if (netnsFd === undefined) violate(fd, 'add without a descriptor');
        send(fd, encodeAck(await session.add(request.uid, request.info, netnsOf(netnsFd))));
        break;
      }
      case 'keep':
        if (!session.keep(request.uid)) violate(fd, 'keep after the snapshot');
        send(fd, encodeAck(''));
        break;
      case 'del':
        session.del(request.uid);
        send(fd, encodeAck(''));
        break;
      case 'snapshot-sent':
        if (!session.snapshotSent()) violate(fd, 'a second snapshot mark on one connection');
        send(fd, encodeAck(''));
        options.onSynced(true);
        break;
    }
  }
}

function violate(fd: number, text: string): never {
  send(fd, encodeAck(`protocol violation: ${text}`));
  throw new AmbitError('ZDS_PROTOCOL', `the node agent broke the protocol: ${text}`, { source: 'upstream' });
}

function send(fd: number, packet: Uint8Array): void {
  // One request is answered at a time and the agent reads each answer: a full socket buffer means it does not.
  const sent = io.sendPacket(fd, packet);
  if (sent < 0)
    throw new AmbitError('ZDS_BROKEN', `writing to the node agent failed (errno ${-sent})`, {
      source: 'upstream',
      retryable: true,
    });
}

function netnsOf(fd: number): Netns {
  return { fd, id: io.netnsId(fd), close: () => void io.close(fd) };
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) io.close(fd);
}

/** Resolves when the socket has a packet or its end; rejects with the signal's reason. */
async function readable(fd: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const watch = watchFd(fd, EPOLLIN, () => resolve());
  try {
    await promise;
  } finally {
    watch[Symbol.dispose]();
    signal.removeEventListener('abort', onAbort);
  }
}
