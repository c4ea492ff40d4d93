/** HTTP/2 conformance of the server side with h2spec over a bare socket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failuresOfH2spec, h2specSkipReason } from '@ambit/testing';

import { InboundProxy, Rig } from './test-support/rig.ts';

/** Cases that do not hold for a tunnel endpoint: checks of content-length, which CONNECT has not. */
const notApplicable: readonly RegExp[] = [/content-length/];

test('h2spec finds nothing but what does not apply to tunnels', { skip: h2specSkipReason() }, async (context) => {
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
  const report = failuresOfH2spec(port, 2, (text) => context.diagnostic(text));
  const failures = await rig.result(report, 'h2spec', 240_000);
  assert.deepEqual(
    failures.filter((line) => !notApplicable.some((pattern) => pattern.test(line))),
    [],
  );
});
