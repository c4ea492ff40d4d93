/**
 * What a client tells the server it still holds when it reconnects, of one type: name -> version string.
 * Spec: control-plane.md section 1.8 (stream start, on-demand), data-plane.md section 8.7.
 */

/** A version that makes the server send the resource, or report it removed, whatever it has. */
const SEND_AGAIN = '';

export class HeldVersions {
  readonly #versions = new Map<string, string>();

  /** Live view: encode it before the next change. */
  get all(): ReadonlyMap<string, string> {
    return this.#versions;
  }

  accepted(name: string, version: string): void {
    this.#versions.set(name, version);
  }

  /**
   * A rejected resource is not held at that version, so the server will send it again. If an older one was accepted it
   * is still in force here: its name stays, so that the server can say when it is gone.
   */
  rejected(name: string): void {
    if (this.#versions.has(name)) this.#versions.set(name, SEND_AGAIN);
  }

  removed(name: string): void {
    this.#versions.delete(name);
  }

  /** A name asked for and not answered: asked again after a reconnect. */
  demanded(name: string): void {
    if (!this.#versions.has(name)) this.#versions.set(name, SEND_AGAIN);
  }
}
