/**
 * Asks once: `ask.ts URL` prints the body; `ask.ts tcp HOST PORT` prints the greeting. Exit code 0 for an answer, 1 for
 * none, with the reason on standard error.
 */
import { get } from 'node:http';
import { connect } from 'node:net';

const [target = '', host = '', port = ''] = process.argv.slice(2);
const PATIENCE_MS = 5_000;
const fail = (reason: string): void => {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
};
const nameOf = (error: Error): string => ('code' in error ? String(error.code) : error.message);

if (target === 'tcp') {
  const socket = connect({ host, port: Number(port), timeout: PATIENCE_MS });
  socket.on('timeout', () => fail('timeout'));
  socket.on('error', (error) => fail(nameOf(error)));
  socket.on('close', () => fail('closed without a word'));
  socket.once('data', (chunk) => {
    process.stdout.write(chunk);
    process.exit(0);
  });
} else {
  const request = get(target, { agent: false, timeout: PATIENCE_MS }, (response) => {
    response.on('error', (error) => fail(nameOf(error)));
    response.pipe(process.stdout);
    response.on('end', () => {
      if (response.statusCode !== 200) fail(`status ${response.statusCode}`);
    });
  });
  request.on('timeout', () => fail('timeout'));
  request.on('error', (error) => fail(nameOf(error)));
}
