import type { ServerConnectionHandler, ServerExchange } from '@ambit/exchange';

import { workloadTarget } from '../config/backend-target.ts';
import { plainRoute } from '../config/compile-route.ts';
import type { CompiledRoute } from '../config/route.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { RequestExchange } from './request-exchange.ts';
import type { RequestSurroundings } from './request-surroundings.ts';

/** Takes the requests of one client connection. The connection itself is its owner's: limits, draining, closing. */
export class RequestHandler implements ServerConnectionHandler {
  readonly #facts: DownstreamFacts;
  readonly #surroundings: RequestSurroundings;
  /** For a client that asked for a workload: there are no routes for it, but the one to it. */
  readonly #workloadRoute: CompiledRoute | undefined;
  readonly #onClosed: () => void;

  /** `onClosed`: the connection has ended, after all its requests. */
  constructor(facts: DownstreamFacts, surroundings: RequestSurroundings, onClosed: () => void) {
    this.#facts = facts;
    this.#surroundings = surroundings;
    this.#onClosed = onClosed;
    const { served } = facts;
    this.#workloadRoute =
      served.kind === 'workload'
        ? plainRoute(workloadTarget(served.workload.uid, served.address, served.port))
        : undefined;
  }

  onRequest(exchange: ServerExchange): void {
    const request = new RequestExchange(exchange, this.#facts, this.#surroundings, this.#workloadRoute);
    exchange.user = request;
    request.start();
  }

  onClosed(): void {
    this.#onClosed();
  }
}
