/** What benchmarks ask and answer. */
import type { ServerConnectionHandler, ServerExchange } from '../src/index.ts';
import {
  type ClientConnection,
  type ClientConnectionOwner,
  type ClientExchangeUser,
  FieldList,
  type RequestHead,
} from '../src/index.ts';

const kilobyte = Buffer.alloc(1024, 'x');

/** Answers at once with a kilobyte. */
export class Backend implements ServerConnectionHandler {
  onRequest(exchange: ServerExchange): void {
    const fields = new FieldList();
    fields.add('content-type', 'text/plain');
    fields.add('date', 'Sat, 21 Nov 2026 12:00:00 GMT');
    fields.add('etag', '"abcdef0123456789"');
    exchange.respond({ status: 200, fields, contentLength: kilobyte.length }, false);
    exchange.write(kilobyte, 0, kilobyte.length);
    exchange.end();
  }

  onClosed(): void {
    // Nothing is kept.
  }
}

/** Who waits for an answer is asked again in the next turn, when connections have capacity. */
export class Run {
  completed = 0;
  running = 0;
  readonly samples: number[] = [];
  #waiting: Asker[] = [];
  #mayGoOn: () => boolean = () => false;

  begin(askers: readonly Asker[], mayGoOn: () => boolean): void {
    this.completed = 0;
    this.samples.length = 0;
    this.running = askers.length;
    this.#waiting = [...askers];
    this.#mayGoOn = mayGoOn;
  }

  onAnswer(asker: Asker, latencyMs: number): void {
    this.completed += 1;
    if ((this.completed & 15) === 0) this.samples.push(latencyMs);
    if (this.#mayGoOn()) this.#waiting.push(asker);
    else this.running -= 1;
  }

  /** Before each turn of the loop. */
  ask(): void {
    const again = this.#waiting;
    this.#waiting = [];
    for (const asker of again) asker.ask();
  }

  get p50Us(): number {
    this.samples.sort((a, b) => a - b);
    return Math.round((this.samples[this.samples.length >> 1] ?? 0) * 1000);
  }
}

/** Asks the same again and again on one connection. */
export class Asker implements ClientExchangeUser {
  readonly #connection: ClientConnection;
  readonly #run: Run;
  readonly #head: RequestHead;
  #sentMs = 0;

  constructor(connection: ClientConnection, run: Run) {
    this.#connection = connection;
    this.#run = run;
    const fields = new FieldList();
    fields.add('user-agent', 'bench/1.0 (some text as browsers send it)');
    fields.add('accept', '*/*');
    fields.add('accept-encoding', 'gzip, deflate, br');
    fields.add('x-request-id', '5e0fd2f5-3a5c-4a77-9c3c-0123456789ab');
    fields.add('cookie', 'session=abcdef0123456789');
    this.#head = {
      method: 'GET',
      scheme: 'http',
      authority: 'bench.test',
      target: '/api/items/12345?page=1',
      fields,
      protocol: 'HTTP/1.1',
      contentLength: 0,
      hasBody: false,
      upgrade: undefined,
      expectsContinue: false,
    };
  }

  ask(): void {
    this.#sentMs = performance.now();
    this.#connection.request(this.#head, true, this);
  }

  onInformational(): void {}
  onResponse(): void {}
  onBody(): void {}
  onWritable(): void {}

  onEnd(): void {
    this.#run.onAnswer(this, performance.now() - this.#sentMs);
  }

  onAborted(error: Error): void {
    throw error;
  }
}

/** A connection that is expected to live. */
export class Owner implements ClientConnectionOwner {
  onCapacity(): void {}

  onClosed(error: Error | undefined): void {
    throw error ?? new Error('a connection of the benchmark closed');
  }
}
