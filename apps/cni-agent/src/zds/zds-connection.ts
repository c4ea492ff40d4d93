/**
 * One ztunnel on the other side of a ZDS connection: hello, snapshot, then requests one at a time.
 *
 * Answers carry no id and are matched by order alone. That is why a late answer ends the connection: it would be taken
 * for the answer to the next request (Istio keeps the connection there). ztunnel reconnects and gets a fresh snapshot.
 */
import type { Clock } from '@ambit/runtime';
import type { PacketChannel, PacketChannelHandler } from './packet-channel.ts';
import { ZdsError } from './zds-error.ts';
import { decodeAck, decodeHello, encodeSnapshotSent } from './zds-messages.ts';

export const ZDS_DEADLINE_MS = 5_000;
export const MAX_QUEUED_REQUESTS = 100;

export interface ZdsRequest {
  readonly packet: Uint8Array;
  /** Must stay open until the request has been settled. */
  readonly passFd?: number;
}

export interface ZdsConnectionEvents {
  /** After the hello; returns what the proxy has to know before anything else. */
  snapshot(): readonly ZdsRequest[];
  /** A pod of the snapshot was refused; ztunnel retries it by itself. */
  onSnapshotRefusal(error: ZdsError): void;
  onSynced(): void;
  onClosed(reason: string): void;
}

interface QueuedRequest extends ZdsRequest {
  readonly settle: (error?: ZdsError) => void;
}

type State = 'awaiting-hello' | 'serving' | 'closed';

export class ZdsConnection implements PacketChannelHandler {
  readonly #channel: PacketChannel;
  readonly #events: ZdsConnectionEvents;
  readonly #clock: Clock;
  readonly #queue: QueuedRequest[] = [];
  #state: State = 'awaiting-hello';
  #outstanding: QueuedRequest | undefined;
  #deadline: Disposable | undefined;

  constructor(channel: PacketChannel, events: ZdsConnectionEvents, clock: Clock) {
    this.#channel = channel;
    this.#events = events;
    this.#clock = clock;
    this.#arm('said no hello');
  }

  /** True between the hello and the end. */
  get isServing(): boolean {
    return this.#state === 'serving';
  }

  /**
   * Resolves when ztunnel has acknowledged without error. Requests are sent in the order of the calls, after the snapshot.
   * @throws ZdsError
   */
  request(request: ZdsRequest): Promise<void> {
    if (this.#state === 'closed')
      return Promise.reject(new ZdsError('ZDS_CLOSED', 'the connection to ztunnel is closed'));
    if (this.#queue.length >= MAX_QUEUED_REQUESTS)
      return Promise.reject(new ZdsError('ZDS_QUEUE_FULL', 'too many requests wait for ztunnel'));
    return new Promise((resolve, reject) => {
      this.#enqueue({ ...request, settle: (error) => (error ? reject(error) : resolve()) });
    });
  }

  close(reason: string): void {
    if (this.#state !== 'closed') this.#channel.close(reason);
  }

  onPacket(packet: Uint8Array): void {
    try {
      if (this.#state === 'awaiting-hello') this.#onHello(packet);
      else if (this.#outstanding) this.#onAnswer(this.#outstanding, decodeAck(packet));
      else throw new ZdsError('ZDS_PROTOCOL', 'ztunnel sent a packet that nobody asked for');
    } catch (cause) {
      this.#channel.close(cause instanceof Error ? cause.message : String(cause));
    }
  }

  onClosed(reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#disarm();
    const lost = this.#outstanding ? [this.#outstanding, ...this.#queue] : this.#queue.slice();
    this.#outstanding = undefined;
    this.#queue.length = 0;
    for (const request of lost)
      request.settle(new ZdsError('ZDS_CLOSED', `the connection to ztunnel ended: ${reason}`));
    this.#events.onClosed(reason);
  }

  #onHello(packet: Uint8Array): void {
    decodeHello(packet);
    this.#disarm();
    this.#state = 'serving';
    // One turn of the loop: what is added from here on queues up behind the snapshot.
    for (const entry of this.#events.snapshot()) {
      this.#queue.push({
        ...entry,
        settle: (error) => {
          if (error?.code === 'ZDS_REFUSED') this.#events.onSnapshotRefusal(error);
        },
      });
    }
    this.#enqueue({
      packet: encodeSnapshotSent(),
      settle: (error) => {
        if (!error) this.#events.onSynced();
      },
    });
  }

  #onAnswer(request: QueuedRequest, errorText: string): void {
    this.#disarm();
    this.#outstanding = undefined;
    request.settle(errorText === '' ? undefined : new ZdsError('ZDS_REFUSED', `ztunnel refused: ${errorText}`));
    this.#sendNext();
  }

  #enqueue(request: QueuedRequest): void {
    this.#queue.push(request);
    if (this.#state === 'serving' && !this.#outstanding) this.#sendNext();
  }

  #sendNext(): void {
    const next = this.#queue.shift();
    if (!next) return;
    this.#outstanding = next;
    this.#arm('did not answer');
    try {
      this.#channel.send(next.packet, next.passFd);
    } catch (cause) {
      this.#channel.close(`cannot send: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  #arm(fault: string): void {
    this.#deadline = this.#clock.after(ZDS_DEADLINE_MS, () => {
      const late = this.#outstanding;
      this.#outstanding = undefined;
      late?.settle(new ZdsError('ZDS_TIMEOUT', `ztunnel ${fault} within ${ZDS_DEADLINE_MS} ms`));
      this.#channel.close(`ztunnel ${fault} within ${ZDS_DEADLINE_MS} ms`);
    });
  }

  #disarm(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }
}
