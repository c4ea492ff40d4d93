import type { HboneError } from './hbone-error.ts';
import type { ConnectCallback, ConnectRequest, OutboundRequest } from './outbound-request.ts';
import type { DialPlan } from './tunnel-dial.ts';

/** A request for a tunnel, from `HbonePool.connect` until its callback. */
export class PendingConnect {
  readonly dial: DialPlan;
  readonly request: ConnectRequest;
  readonly callback: ConnectCallback;
  #sent: OutboundRequest | undefined;
  #isCancelled = false;

  constructor(dial: DialPlan, request: ConnectRequest, callback: ConnectCallback) {
    this.dial = dial;
    this.request = request;
    this.callback = callback;
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

  /** For the pool: the request failed before it got a stream. */
  fail(error: HboneError): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.callback.onError(error);
  }
}
