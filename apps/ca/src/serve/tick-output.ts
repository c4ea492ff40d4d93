/**
 * Gathers the log lines of one turn of the event loop into one write. Under load each certificate has a line, and a system
 * call for each was a twelfth of the CA's time (bench/create-certificate.ts). A process that ends still writes what it
 * gathered; one that is killed loses the lines of the turn it was in.
 */
export class TickOutput implements Disposable {
  readonly #write: (text: string) => void;
  readonly #onExit = (): void => this.flush();
  #gathered = '';

  /** `write` takes all of the text at once; it is called at the end of a turn, and when the process exits. */
  constructor(write: (text: string) => void) {
    this.#write = write;
    process.on('exit', this.#onExit);
  }

  write(line: string): void {
    if (this.#gathered === '') setImmediate(this.#onExit);
    this.#gathered += line;
  }

  flush(): void {
    const text = this.#gathered;
    this.#gathered = '';
    if (text !== '') this.#write(text);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.flush();
  }
}
