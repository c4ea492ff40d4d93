/**
 * A constant load on one service: `load.ts HOST HTTP-PORT ECHO-PORT`. Whatever happens, as much is asked each second:
 * - `fresh`: a request on a new connection every 25 ms;
 * - `kept`: a request every 25 ms on two connections that are kept;
 * - `held`: ten connections to the echo; each sends a word every 100 ms that has to come back.
 *
 * Each line of input is answered by the figures since the last one, as one line of JSON; the end of the input ends it.
 */
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [host = '', httpPort = '80', echoPort = '9000'] = process.argv.slice(2);
const REQUEST_INTERVAL_MS = 25;
const WORD_INTERVAL_MS = 100;
const HELD = 10;
/** What takes longer is lost. */
const PATIENCE_MS = 20_000;
/** More that wait at once are not begun, but counted as lost. */
const MAX_OPEN = 1_000;

interface Figures {
  ok: number;
  failed: number;
  slowestMs: number;
  failures: Record<string, number>;
}

const none = (): Figures => ({ ok: 0, failed: 0, slowestMs: 0, failures: {} });
let fresh = none();
let kept = none();
let held = { broken: 0, words: 0, failures: {} as Record<string, number> };
const open = { fresh: 0, kept: 0 };

function ask(kind: 'fresh' | 'kept', agent: Agent): void {
  const figures = (): Figures => (kind === 'fresh' ? fresh : kept);
  const fail = (reason: string): void => {
    figures().failed += 1;
    figures().failures[reason] = (figures().failures[reason] ?? 0) + 1;
  };
  if (open[kind] >= MAX_OPEN) return fail('too many wait');
  open[kind] += 1;
  const begunMs = performance.now();
  let isDone = false;
  const finish = (failure?: string): void => {
    if (isDone) return;
    isDone = true;
    open[kind] -= 1;
    if (failure !== undefined) return fail(failure);
    figures().ok += 1;
    figures().slowestMs = Math.max(figures().slowestMs, Math.round(performance.now() - begunMs));
  };
  const request = get({ host, port: Number(httpPort), path: '/', agent, timeout: PATIENCE_MS }, (response) => {
    response.on('error', (error) => finish(nameOf(error)));
    response.on('end', () => finish(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
    response.resume();
  });
  request.on('timeout', () => request.destroy(new Error('timeout')));
  request.on('error', (error) => finish(nameOf(error)));
}

function nameOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message;
}

/** Opens again when it breaks, so that each break is counted once. */
function hold(): void {
  const socket: Socket = connect({ host, port: Number(echoPort), noDelay: true });
  let word = 0;
  let answered = 0;
  let waitsSinceMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let isDone = false;
  const end = (reason: string): void => {
    if (isDone) return;
    isDone = true;
    clearInterval(timer);
    socket.destroy();
    held.broken += 1;
    held.failures[reason] = (held.failures[reason] ?? 0) + 1;
    setTimeout(hold, 200);
  };
  socket.on('error', (error) => end(nameOf(error)));
  socket.on('close', () => end('closed'));
  socket.on('end', () => end('ended'));
  const lines = createInterface({ input: socket });
  lines.on('error', () => {});
  lines.on('line', (line) => {
    // The first line is the greeting.
    if (timer === undefined) timer = setInterval(speak, WORD_INTERVAL_MS);
    else if (line !== `word ${answered + 1}`) return end('wrong word');
    else {
      answered += 1;
      held.words += 1;
    }
  });
  const speak = (): void => {
    if (answered < word) {
      if (performance.now() - waitsSinceMs > PATIENCE_MS) end('no answer');
      return;
    }
    word += 1;
    waitsSinceMs = performance.now();
    socket.write(`word ${word}\n`);
  };
}

const freshAgent = new Agent({ keepAlive: false });
const keptAgent = new Agent({ keepAlive: true, maxSockets: 2, scheduling: 'fifo' });
setInterval(() => ask('fresh', freshAgent), REQUEST_INTERVAL_MS);
setInterval(() => ask('kept', keptAgent), REQUEST_INTERVAL_MS);
for (let index = 0; index < HELD; index += 1) hold();

createInterface({ input: process.stdin })
  .on('line', () => {
    process.stdout.write(`${JSON.stringify({ fresh, kept, held })}\n`);
    fresh = none();
    kept = none();
    held = { broken: 0, words: 0, failures: {} };
  })
  .on('close', () => process.exit(0));
