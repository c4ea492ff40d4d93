import type { TunnelStream } from './tunnel-stream.ts';

/** Streams that may have something to send, in turn; each is in it once. A queue in an array with a moving head. */
export class ReadyStreams {
  #streams: (TunnelStream | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#streams.length - this.#head;
  }

  add(stream: TunnelStream): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    this.#streams.push(stream);
  }

  shift(): TunnelStream | undefined {
    const stream = this.#streams[this.#head];
    if (stream === undefined) return undefined;
    stream.isQueued = false;
    this.#streams[this.#head++] = undefined;
    if (this.#head === this.#streams.length) {
      this.#streams.length = 0;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#streams.length) {
      this.#streams = this.#streams.slice(this.#head);
      this.#head = 0;
    }
    return stream;
  }
}
