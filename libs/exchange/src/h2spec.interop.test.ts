/** HTTP/2 conformance of the server side with h2spec over a plain socket; AMBIT_H2SPEC names the binary. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { Http2ServerConnection } from './index.ts';
import { SocketRig } from './test-support/socket-rig.ts';
import { RequestLog, responseOf } from './test-support/recorders.ts';

const binary = process.env['AMBIT_H2SPEC'];

test('h2spec finds nothing', { skip: binary === undefined ? 'AMBIT_H2SPEC is not set' : false }, async () => {
  await using rig = new SocketRig();
  const log = new RequestLog((served) => {
    // Answers when the request is complete, so that cases about request bodies see a stream that is still open.
    const { exchange } = served;
    served.onEnd = () => {
      exchange.respond(responseOf(200, { 'content-type': 'text/plain' }, 5), false);
      exchange.write(Buffer.from('hello'), 0, 5);
      exchange.end();
    };
  });
  log.onClosed = () => {};
  const port = rig.serve(log, {}, (...accepted) => new Http2ServerConnection(...accepted));
  const child = spawn(binary ?? '', ['-h', '127.0.0.1', '-p', String(port), '-o', '5']);
  let output = '';
  let isDone = false;
  child.stdout.on('data', (data) => (output += String(data)));
  child.stderr.on('data', (data) => (output += String(data)));
  child.on('close', () => (isDone = true));
  const deadline = performance.now() + 240_000;
  while (!isDone && performance.now() < deadline) {
    await rig.until(() => isDone || performance.now() % 5000 < 100, 'h2spec');
  }
  assert.ok(isDone, 'h2spec did not end');
  assert.match(output, /tests, \d+ passed/);
  const failures = output.includes('Failures:') ? output.slice(output.indexOf('Failures:')) : '';
  assert.equal(failures, '', failures);
});
