/**
 * A crowd of connections to an echo (`crowd.ts HOST PORT COUNT`). COUNT of them are held: every 50 ms a word goes out on
 * each and has to come back. Beside them a new connection is made every 25 ms, has one word answered and is closed.
 *
 * Each line of input is an order, answered by one line of JSON:
 * - `look`: the figures since the last look;
 * - `part`: ends all held connections the ordinary way, waiting for their last words, then the figures; new ones go on.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [host = '', port = '', count = '0'] = process.argv.slice(2);
const WORD_INTERVAL_MS = 50;
const VISIT_INTERVAL_MS = 25;
/** A visit or a word that takes longer than this is lost. */
const PATIENCE_MS = 10_000;
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const startMs = performance.now();

const visits = {
  ok: 0,
  failed: 0,
  slowestMs: 0,
  failures: {} as Record<string, number>,
  lastOkMs: startMs,
  longestGapMs: 0,
};

/** One held connection. */
class Held {
  broken: string | undefined;
  words = 0;
  isOpen = false;
  readonly #socket: Socket;
  readonly ended: Promise<void>;
  #waiting: string | undefined;
  #sentMs = 0;
  #isParting = false;

  constructor() {
    this.#socket = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
    const lines = createInterface({ input: this.#socket });
    lines.once('line', () => {
      this.isOpen = true;
      lines.on('line', (line) => this.#onLine(line));
    });
    lines.on('error', () => {});
    this.#socket.on('error', (error) => this.#break(error.message));
    this.#socket.on('end', () => {
      if (!this.#isParting || this.#waiting !== undefined) this.#break('ended');
    });
    this.ended = new Promise((resolve) => this.#socket.on('close', () => resolve()));
  }

  speak(): void {
    if (!this.isOpen || this.#isParting || this.broken !== undefined) return;
    if (this.#waiting !== undefined) {
      if (performance.now() - this.#sentMs > PATIENCE_MS) this.#break('no answer');
      return;
    }
    this.#waiting = `word ${this.words}`;
    this.#sentMs = performance.now();
    this.#socket.write(`${this.#waiting}\n`);
  }

  part(): void {
    this.#isParting = true;
    this.#socket.end();
  }

  #onLine(line: string): void {
    if (line !== this.#waiting) return this.#break(`expected ${this.#waiting}, got ${line}`);
    this.#waiting = undefined;
    this.words += 1;
  }

  #break(reason: string): void {
    this.broken ??= reason;
    this.#socket.destroy();
  }
}

const held = Array.from({ length: Number(count) }, () => new Held());
setInterval(() => {
  for (const connection of held) connection.speak();
}, WORD_INTERVAL_MS);
setInterval(visit, VISIT_INTERVAL_MS);
visit();

function visit(): void {
  const begunMs = performance.now();
  const socket = connect({ host, port: Number(port), noDelay: true });
  let isDone = false;
  const finish = (failure?: string): void => {
    if (isDone) return;
    isDone = true;
    const nowMs = performance.now();
    if (failure === undefined) {
      visits.ok += 1;
      visits.slowestMs = Math.max(visits.slowestMs, Math.round(nowMs - begunMs));
      visits.longestGapMs = Math.max(visits.longestGapMs, Math.round(nowMs - visits.lastOkMs));
      visits.lastOkMs = nowMs;
    } else {
      visits.failed += 1;
      visits.failures[failure] = (visits.failures[failure] ?? 0) + 1;
    }
    socket.destroy();
  };
  socket.setTimeout(PATIENCE_MS, () => finish('timeout'));
  socket.on('error', (error) => finish('code' in error ? String(error.code) : error.message));
  socket.on('close', () => finish('closed'));
  socket.write('hello\n');
  createInterface({ input: socket })
    .on('line', (line) => {
      if (line === 'hello') finish();
    })
    .on('error', () => {});
}

function look(): void {
  const broken = held.filter((connection) => connection.broken !== undefined);
  say({
    held: held.length,
    open: held.filter(({ isOpen }) => isOpen).length,
    broken: broken.length,
    reasons: [...new Set(broken.map((connection) => connection.broken))],
    words: held.reduce((sum, { words }) => sum + words, 0),
    leastWords: Math.min(...held.map(({ words }) => words)),
    visits: {
      ok: visits.ok,
      failed: visits.failed,
      slowestMs: visits.slowestMs,
      failures: visits.failures,
      longestGapMs: Math.max(visits.longestGapMs, Math.round(performance.now() - visits.lastOkMs)),
    },
  });
  Object.assign(visits, { ok: 0, failed: 0, slowestMs: 0, failures: {}, lastOkMs: performance.now(), longestGapMs: 0 });
}

createInterface({ input: process.stdin })
  .on('line', (order) => {
    if (order === 'part') {
      for (const connection of held) connection.part();
      void Promise.all(held.map(({ ended }) => ended)).then(look);
    } else look();
  })
  .on('close', () => process.exit(0));
