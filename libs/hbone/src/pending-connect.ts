import type { HboneError } from './hbone-error.ts';
import type { ConnectCallback, ConnectRequest, OutboundRequest, OutboundStream } from './outbound-request.ts';
import type { DialPlan } from './tunnel-dial.ts';

/** A request for a tunnel, from `HbonePool.connect` until its callback. */
export class PendingConnect implements ConnectCallback {
  readonly dial: DialPlan;
  readonly request: ConnectRequest;
  readonly #callback: ConnectCallback;
  readonly #retry: (pending: PendingConnect) => void;
  #sent: OutboundRequest | undefined;
  #isCancelled = false;
  #isRetried = false;

  constructor(
    dial: DialPlan,
    request: ConnectRequest,
    callback: ConnectCallback,
    retry: (pending: PendingConnect) => void,
  ) {
    this.dial = dial;
    this.request = request;
    this.#callback = callback;
    this.#retry = retry;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Gives up: the callback does not come any more. A dial under way goes on for others. No effect after the callback. */
  cancel(): void {
    this.#isCancelled = true;
    this.#sent?.cancel();
  }

  /** For the pool: the request is on its stream. */
  sentAs(request: OutboundRequest): void {
    this.#sent = request;
  }

  onConnected(stream: OutboundStream): void {
    this.#sent = undefined;
    this.#callback.onConnected(stream);
  }

  /** For the pool. A request that the peer certainly did not look at is asked once more, elsewhere. */
  onError(error: HboneError): void {
    this.#sent = undefined;
    if (this.#isCancelled) return;
    if (error.details['isUnprocessed'] === true && !this.#isRetried) {
      this.#isRetried = true;
      this.#retry(this);
      return;
    }
    this.#isCancelled = true;
    this.#callback.onError(error);
  }
}
