/** A stream as the queue of those that want to send knows it. */
export interface QueuedStream {
  isQueued: boolean;
}

/** Streams that may have something to send, in turn; each is in it once. A queue in an array with a moving head. */
export class ReadyStreams<Stream extends QueuedStream> {
  #streams: (Stream | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#streams.length - this.#head;
  }

  add(stream: Stream): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    this.#streams.push(stream);
  }

  shift(): Stream | undefined {
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
