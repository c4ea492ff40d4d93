/**
 * Holds one connection to an echo (`hold.ts HOST PORT`): every 50 ms a word goes out and has to come back. Prints
 * `open <greeting>` at the beginning; for each line of input the number of words so far; `broken <reason>` if it breaks.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const [host = '', port = ''] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const socket = connect({ host, port: Number(port), noDelay: true });
let words = 0;
let waiting: string | undefined;

const lines = createInterface({ input: socket });
lines.once('line', (greeting) => {
  say(`open ${greeting}`);
  lines.on('line', (line) => {
    if (line !== waiting) fail(`expected ${waiting}, got ${line}`);
    waiting = undefined;
    words += 1;
  });
  setInterval(() => {
    if (waiting !== undefined) return;
    waiting = `word ${words}`;
    socket.write(`${waiting}\n`);
  }, 50);
});
socket.on('error', (error) => fail(error.message));
socket.on('close', () => fail('closed'));
createInterface({ input: process.stdin })
  .on('line', () => say(String(words)))
  .on('close', () => process.exit(0));

function fail(reason: string): void {
  say(`broken ${reason}`);
  process.exit(1);
}
