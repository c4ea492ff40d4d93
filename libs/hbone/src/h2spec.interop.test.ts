/** HTTP/2 conformance of the server side with h2spec over a bare socket; AMBIT_H2SPEC names the binary. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { InboundProxy, Rig } from './test-support/rig.ts';

const binary = process.env['AMBIT_H2SPEC'];

/** Cases that do not hold for a tunnel endpoint: checks of content-length, which CONNECT has not. */
const notApplicable: readonly RegExp[] = [/content-length/];

test(
  'h2spec finds nothing but what does not apply to tunnels',
  { skip: binary === undefined ? 'AMBIT_H2SPEC is not set' : false },
  async () => {
    await using rig = new Rig();
    const inbound = new InboundProxy(rig);
    const application = await rig.application((socket) => {
      socket.resume();
      socket.end('hello, this is the application');
    });
    inbound.onConnectHook = (stream) => {
      if (!stream.isAlive) return;
      rig.connect(application, (fd) => {
        stream.respond(200);
        stream.bridge(fd, { onClose: () => {} });
      });
    };
    // The protocol's default frame size: h2spec does not send headers of the 1 MiB that we would take.
    const server = rig.server({ maxFrameBytes: 16_384 });
    const port = rig.listen((fd) => server.acceptPlaintextForTests(fd, inbound));
    const child = spawn(binary ?? '', ['-h', '127.0.0.1', '-p', String(port), '-o', '2']);
    let output = '';
    let isDone = false;
    child.stdout.on('data', (data) => (output += String(data)));
    child.stderr.on('data', (data) => (output += String(data)));
    child.on('close', () => (isDone = true));
    const deadline = performance.now() + 240_000;
    while (!isDone && performance.now() < deadline)
      await rig.until(() => isDone || performance.now() % 5000 < 100, 'h2spec');
    assert.ok(isDone, 'h2spec did not end');
    assert.match(output, /tests, \d+ passed/);
    const failures = output
      .slice(output.indexOf('Failures:'))
      .split('\n')
      .filter((line) => line.includes('×'));
    assert.deepEqual(
      failures.filter((line) => !notApplicable.some((pattern) => pattern.test(line))),
      [],
      output.slice(output.indexOf('Failures:')),
    );
  },
);
