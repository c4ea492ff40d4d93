import type { RevocableTunnel } from '@ambit/hbone';

/** A client's connection inside a tunnel, as far as draining and counting need it. */
export interface LiveConnection {
  /** Requests, or 1 for a connection that is not HTTP. */
  readonly activeExchanges: number;
  /** No new requests; ends when the running ones have. */
  drain(): void;
  /** Its client is asked to come again, perhaps to another replica. */
  leave(): void;
  close(): void;
}

/** All of a worker. */
export class LiveConnections {
  readonly #connections = new Set<LiveConnection>();
  /** Those whose client has shown a certificate of its own, with what says whether it is revoked by now. */
  readonly #certified = new Map<LiveConnection, () => boolean>();
  #isDraining = false;

  [Symbol.iterator](): Iterator<LiveConnection> {
    return this.#connections.values();
  }

  get size(): number {
    return this.#connections.size;
  }

  get activeExchanges(): number {
    let sum = 0;
    for (const { activeExchanges } of this.#connections) sum += activeExchanges;
    return sum;
  }

  add(connection: LiveConnection): void {
    this.#connections.add(connection);
  }

  remove(connection: LiveConnection): void {
    this.#connections.delete(connection);
    this.#certified.delete(connection);
  }

  /** Nothing for a connection that has ended meanwhile. */
  certify(connection: LiveConnection, isRevoked: () => boolean): void {
    if (this.#connections.has(connection)) this.#certified.set(connection, isRevoked);
  }

  /** Connections that have to end when their client's certificate is revoked. */
  *certified(): Generator<RevocableTunnel, void, undefined> {
    for (const [connection, isRevoked] of this.#certified)
      yield { reporter: 'destination', connection: { closeIfRevoked: () => this.#closeIf(connection, isRevoked) } };
  }

  /** Between the question who there is and this one the connection may have ended. */
  #closeIf(connection: LiveConnection, isRevoked: () => boolean): boolean {
    if (!this.#certified.has(connection) || !isRevoked()) return false;
    connection.close();
    return true;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Those that are added later look at `isDraining` with each request. */
  drain(): void {
    this.#isDraining = true;
    for (const connection of this.#connections) connection.drain();
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
