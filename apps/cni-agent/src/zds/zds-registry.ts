/**
 * All connected ztunnels of the node; more than one while ztunnel is being replaced.
 *
 * Additions go to the newest one that has said hello, removals to all. Spec: data-plane contract 3.5.
 */
import type { Clock } from '@ambit/runtime';
import type { PacketChannel } from './packet-channel.ts';
import { ZdsConnection, type ZdsRequest } from './zds-connection.ts';
import { ZdsError } from './zds-error.ts';
import { encodeAdd, encodeDel, encodeKeep, type ZdsWorkload } from './zds-messages.ts';

/** A pod as the snapshot tells it; without a namespace the proxy is told to keep what it has. */
export interface SnapshotPod {
  readonly workload: ZdsWorkload;
  readonly netnsFd: number | undefined;
}

export interface ZdsRegistryEvents {
  /** The pods that a proxy has to serve, asked for at each hello. Their descriptors stay open until `del` resolves. */
  snapshot(): readonly SnapshotPod[];
  onConnected(connected: number): void;
  /** The snapshot has been acknowledged. */
  onSynced(): void;
  onSnapshotRefusal(error: ZdsError): void;
  onDisconnected(connected: number, reason: string): void;
}

export class ZdsRegistry {
  readonly #events: ZdsRegistryEvents;
  readonly #clock: Clock;
  /** In the order of their arrival. */
  readonly #connections: ZdsConnection[] = [];

  constructor(events: ZdsRegistryEvents, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  get connected(): number {
    return this.#connections.length;
  }

  /** Takes over a new channel; its packets and its end have to be given to what is returned. */
  accept(channel: PacketChannel): ZdsConnection {
    const connection: ZdsConnection = new ZdsConnection(
      channel,
      {
        snapshot: () => this.#events.snapshot().map(snapshotRequest),
        onSnapshotRefusal: (error) => this.#events.onSnapshotRefusal(error),
        onSynced: () => this.#events.onSynced(),
        onClosed: (reason) => {
          this.#connections.splice(this.#connections.indexOf(connection), 1);
          this.#events.onDisconnected(this.#connections.length, reason);
        },
      },
      this.#clock,
    );
    this.#connections.push(connection);
    this.#events.onConnected(this.#connections.length);
    return connection;
  }

  /** @throws ZdsError `ZDS_NO_ZTUNNEL` when none is connected, or what the request itself failed with. */
  async add(workload: ZdsWorkload, netnsFd: number): Promise<void> {
    const newest = this.#connections.findLast((connection) => connection.isServing);
    if (!newest) throw new ZdsError('ZDS_NO_ZTUNNEL', 'no ztunnel connection');
    await newest.request({ packet: encodeAdd(workload), passFd: netnsFd });
  }

  /** Resolves when every connected proxy has answered or is gone; a proxy that refuses is reported after all were told. */
  async del(uid: string): Promise<void> {
    const serving = this.#connections.filter((connection) => connection.isServing);
    const results = await Promise.allSettled(
      serving.map((connection) => connection.request({ packet: encodeDel(uid) })),
    );
    for (const result of results) {
      const error: unknown = result.status === 'rejected' ? result.reason : undefined;
      // A proxy that went away learns of the removal from its next snapshot.
      if (error !== undefined && !(error instanceof ZdsError && error.code === 'ZDS_CLOSED')) throw error;
    }
  }

  closeAll(reason: string): void {
    for (const connection of this.#connections.slice()) connection.close(reason);
  }
}

function snapshotRequest({ workload, netnsFd }: SnapshotPod): ZdsRequest {
  return netnsFd === undefined
    ? { packet: encodeKeep(workload.uid) }
    : { packet: encodeAdd(workload), passFd: netnsFd };
}
