import type { Http1Head, Http1Sink } from '@ambit/http';

/** Who handles the messages of a connection's decoder. */
export interface MessageOwner {
  beginMessage(head: Http1Head): void;
  takeInformational(head: Http1Head): void;
  takeBody(buffer: Uint8Array, offset: number, length: number): void;
  endMessage(): void;
}

/** Stands between decoder and connection, as the connection's `onEnd` is that of its channel. */
export class MessageSink implements Http1Sink {
  readonly #owner: MessageOwner;

  constructor(owner: MessageOwner) {
    this.#owner = owner;
  }

  onHead(head: Http1Head): void {
    this.#owner.beginMessage(head);
  }

  onInformational(head: Http1Head): void {
    this.#owner.takeInformational(head);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#owner.takeBody(buffer, offset, length);
  }

  onEnd(): void {
    this.#owner.endMessage();
  }
}
