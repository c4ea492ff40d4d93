import type { HbonePool } from '@ambit/hbone';
import type { Fd, KeepaliveOptions } from '@ambit/net';
import type { ConnectionRecord, PodIdentity } from '../worker-protocol.ts';
import type { DataContext } from './data-context.ts';
import type { Failure } from './failure.ts';

/** Bytes of a connection so far. */
export interface Traffic {
  /** From who opened the connection. */
  readonly asked: number;
  /** From who was called. */
  readonly answered: number;
}

/** A connection of a pod, from its acceptance to its end. */
export interface LiveConnection {
  readonly direction: 'inbound' | 'outbound';
  /** For the admin dump; undefined while there is nothing to tell. */
  describe(): ConnectionRecord | undefined;
  /** Brings the byte counters of the metrics up to date. */
  updateCounters(): void;
  /** Undefined while no bytes of a program flow. */
  traffic(): Traffic | undefined;
  /** Ends it now, with that failure as its outcome. */
  abort(failure: Failure): void;
}

/** What connections need of the pod they belong to. */
export interface PodScope {
  readonly data: DataContext;
  readonly pod: PodIdentity;
  /** Undefined: the process's own namespace. */
  readonly netnsFd: Fd | undefined;
  /** Tunnels of this pod; never shared with another. */
  readonly pool: HbonePool;
  /** False where the kernel does not let sockets come from foreign addresses. */
  readonly keepsSourceAddress: boolean;
  add(connection: LiveConnection): void;
  remove(connection: LiveConnection): void;
}

/** Options that every connect from a pod shares: namespace, mark, keepalive. */
export interface PodSocketOptions {
  readonly netnsFd?: Fd;
  readonly mark?: number;
  readonly keepalive?: KeepaliveOptions;
  readonly userTimeoutMs?: number;
}

/** Where a socket of the pod lives. Without the mark the pod's own redirection would catch the connection. */
export function podSocketPlace({ netnsFd, data }: PodScope): Pick<PodSocketOptions, 'netnsFd' | 'mark'> {
  const { packetMark } = data.settings;
  return {
    ...(netnsFd === undefined ? {} : { netnsFd }),
    ...(packetMark === undefined ? {} : { mark: packetMark }),
  };
}

/** Options of a connect that leaves the pod. */
export function podSocketOptions(scope: PodScope): PodSocketOptions {
  const { keepalive, userTimeoutMs } = scope.data.settings;
  return {
    ...podSocketPlace(scope),
    ...(keepalive === undefined ? {} : { keepalive }),
    ...(userTimeoutMs === undefined ? {} : { userTimeoutMs }),
  };
}
