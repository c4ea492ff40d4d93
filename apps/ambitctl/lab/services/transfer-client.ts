/** Asks the transfer service: `transfer-client.ts HOST PORT give|take BYTES`. Prints bytes, checksum and seconds as JSON. */
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';

const [host = '', port = '', word = 'give', count = '0'] = process.argv.slice(2);
const BLOCK = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 31) & 0xff));
const total = Number(count);
const startMs = performance.now();
const socket = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
let bytes = 0;
let sum = 0;
const answer: Buffer[] = [];

socket.on('error', (error) => report({ error: error.message }));
socket.on('data', (chunk: Buffer) => {
  bytes += chunk.length;
  if (word === 'give') sum = crc32(chunk, sum);
  else answer.push(chunk);
});
socket.on('end', () => {
  socket.end();
  const expected = patternSum(total).toString(16);
  if (word === 'give') report({ bytes, isIntact: bytes === total && sum.toString(16) === expected });
  else report({ bytes: total, isIntact: Buffer.concat(answer).toString() === `${total} ${expected}\n` });
});
socket.write(word === 'give' ? `give ${total}\n` : 'take\n');
if (word === 'take') send(total);

function send(left: number): void {
  while (left > 0) {
    const block = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
    left -= block.length;
    if (!socket.write(block)) return void socket.once('drain', () => send(left));
  }
  socket.end();
}

function patternSum(length: number): number {
  let value = 0;
  for (let left = length; left > 0; left -= BLOCK.length)
    value = crc32(left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left), value);
  return value;
}

function report(fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ ...fields, seconds: (performance.now() - startMs) / 1_000 })}\n`);
  process.exit(0);
}
