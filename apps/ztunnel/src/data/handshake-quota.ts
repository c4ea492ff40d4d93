/**
 * Bounds the unfinished TLS handshakes of each source address. A handshake costs its sender a few bytes and us a TLS
 * session for ten seconds, before anybody has shown a certificate: without this bound one pod outside the mesh could
 * fill the `PendingLimit` of the whole node.
 */
export class HandshakeQuota {
  readonly #limit: number;
  /** Of addresses that have one at least. */
  readonly #counts = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when the address has too many already; true counts one more, to be given back by `leave`. */
  enter(address: string): boolean {
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#limit) return false;
    this.#counts.set(address, count + 1);
    return true;
  }

  leave(address: string): void {
    const count = this.#counts.get(address) ?? 0;
    if (count > 1) this.#counts.set(address, count - 1);
    else this.#counts.delete(address);
  }
}
