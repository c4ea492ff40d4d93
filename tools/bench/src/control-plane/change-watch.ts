/** Notes when marks reach clients. Messages that are the same for many clients are read once, by their nonce. */
import { scanResponse } from '@ambit/xds';
import { type LatencyReport, nowUs } from './client-messages.ts';
import { LatencyHistogram, percentiles } from './latency-histogram.ts';

const MARK = /t(\d{6,})z/g;
/** Messages remembered at once; a nonce that is forgotten is read again. */
const REMEMBERED = 2_000;

export class ChangeWatch {
  readonly #clients: number;
  readonly #marksOf = new Map<string, readonly number[]>();
  #each = new LatencyHistogram();
  #seen = new Map<number, number>();
  #last = new Map<number, number>();
  #messages = 0;

  constructor(clients: number) {
    this.#clients = clients;
  }

  /** One client received a message. */
  received(nonce: string, message: Uint8Array): void {
    this.#messages += 1;
    const now = nowUs();
    for (const mark of this.#marks(nonce, message)) {
      this.#each.add((now - mark) / 1000);
      this.#seen.set(mark, (this.#seen.get(mark) ?? 0) + 1);
      this.#last.set(mark, now);
    }
  }

  /** What was seen since the last call. */
  take(): LatencyReport {
    const last = new LatencyHistogram();
    let complete = 0;
    for (const [mark, count] of this.#seen) {
      if (count >= this.#clients) complete += 1;
      last.add(((this.#last.get(mark) ?? mark) - mark) / 1000);
    }
    const report = {
      changes: this.#seen.size,
      complete,
      each: percentiles(this.#each),
      last: percentiles(last),
      messages: this.#messages,
    };
    this.#each = new LatencyHistogram();
    this.#seen = new Map();
    this.#last = new Map();
    this.#messages = 0;
    return report;
  }

  #marks(nonce: string, message: Uint8Array): readonly number[] {
    const known = this.#marksOf.get(nonce);
    if (known !== undefined) return known;
    const marks: number[] = [];
    for (const { value } of scanResponse(message).resources()) {
      const text = Buffer.from(value ?? new Uint8Array()).toString('latin1');
      for (const [, digits] of text.matchAll(MARK)) marks.push(Number(digits));
    }
    if (this.#marksOf.size >= REMEMBERED) this.#marksOf.clear();
    this.#marksOf.set(nonce, marks);
    return marks;
  }
}
