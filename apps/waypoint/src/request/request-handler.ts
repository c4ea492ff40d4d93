import type { ServerConnectionHandler, ServerExchange } from '@ambit/exchange';

import { workloadTarget } from '../config/backend-target.ts';
import { plainRoute } from '../config/compile-route.ts';
import type { CompiledRoute } from '../config/route.ts';
import type { DownstreamFacts } from './downstream-facts.ts';
import { GrpcWebExchange, isGrpcWeb } from './grpc-web-exchange.ts';
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
    const asGrpc = isGrpcWeb(exchange.head) && this.#takesGrpcWeb ? new GrpcWebExchange(exchange) : exchange;
    const request = new RequestExchange(asGrpc, this.#facts, this.#surroundings, this.#workloadRoute);
    asGrpc.user = request;
    request.start();
  }

  /** Elsewhere gRPC-Web is the backend's own to understand. */
  get #takesGrpcWeb(): boolean {
    const { served } = this.#facts;
    if (served.kind !== 'service') return false;
    const { destinations } = this.#surroundings.config();
    return destinations.get(served.key)?.destination.ports.get(served.port)?.protocol === 'grpc-web';
  }

  onClosed(): void {
    this.#onClosed();
  }
}
