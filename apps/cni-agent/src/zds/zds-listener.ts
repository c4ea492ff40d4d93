/** The SEQPACKET socket on which ztunnel is served. Spec: data-plane contract 3.1, 3.5. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { checked, EAGAIN, EPOLLIN, errnoName, io, watchFd } from '@ambit/net';
import type { Clock } from '@ambit/runtime';
import type { PacketChannel, PacketChannelHandler } from './packet-channel.ts';
import { MAX_PACKET_BYTES } from './zds-messages.ts';

/** A proxy that reconnects in a loop must not keep the agent busy. */
const ACCEPT_INTERVAL_MS = 200;

export interface ZdsListenerOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Returns who gets the channel's packets and its end. */
  readonly onChannel: (channel: PacketChannel) => PacketChannelHandler;
}

/** Listens until disposed; open channels stay. A file left by an earlier agent is replaced. */
export class ZdsListener implements Disposable {
  readonly #options: ZdsListenerOptions;
  readonly #fd: number;
  #watch: Disposable | undefined;
  #pause: Disposable | undefined;

  constructor(options: ZdsListenerOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true });
    rmSync(options.path, { force: true });
    this.#fd = checked('seqpacketListen', io.seqpacketListen(options.path));
    chmodSync(options.path, 0o600);
    this.#listen();
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#pause?.[Symbol.dispose]();
    io.close(this.#fd);
    rmSync(this.#options.path, { force: true });
  }

  #listen(): void {
    this.#watch = watchFd(this.#fd, EPOLLIN, () => this.#acceptOne());
  }

  #acceptOne(): void {
    const fd = io.accept(this.#fd);
    if (fd >= 0) {
      const channel = new SeqpacketChannel(fd);
      channel.open(this.#options.onChannel(channel));
    }
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#pause = this.#options.clock.after(ACCEPT_INTERVAL_MS, () => this.#listen());
  }
}

/** One accepted socket on the main thread. */
class SeqpacketChannel implements PacketChannel {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(MAX_PACKET_BYTES);
  #watch: Disposable | undefined;
  #handler: PacketChannelHandler | undefined;
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  open(handler: PacketChannelHandler): void {
    this.#handler = handler;
    this.#watch = watchFd(this.#fd, EPOLLIN, () => this.#receive());
  }

  send(packet: Uint8Array, passFd?: number): void {
    const sent = passFd === undefined ? io.sendPacket(this.#fd, packet) : io.sendPacket(this.#fd, packet, passFd);
    if (sent < 0) throw new Error(errnoName(sent));
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch?.[Symbol.dispose]();
    io.close(this.#fd);
    this.#handler?.onClosed(reason);
  }

  #receive(): void {
    const received = io.receivePacket(this.#fd, this.#buffer);
    if (typeof received === 'number') {
      if (-received !== EAGAIN) this.close(errnoName(received));
      return;
    }
    // Nothing ztunnel says carries a descriptor; one that comes anyway is not kept.
    for (const fd of received.fds) io.close(fd);
    if (received.length === 0) this.close('ztunnel closed the connection');
    else if (received.truncated) this.close(`ztunnel sent more than ${MAX_PACKET_BYTES} bytes`);
    else if (received.fds.length > 0) this.close('ztunnel sent a descriptor');
    else this.#handler?.onPacket(this.#buffer.subarray(0, received.length));
  }
}
