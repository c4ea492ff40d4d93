/** HTTP/2 conformance of the server side with h2spec over a plain socket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failuresOfH2spec, h2specSkipReason } from '@ambit/testing';

import { Http2ServerConnection } from './index.ts';
import { SocketRig } from './test-support/socket-rig.ts';
import { RequestLog, responseOf } from './test-support/recorders.ts';

test('h2spec finds nothing', { skip: h2specSkipReason() }, async (context) => {
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
  const report = failuresOfH2spec(port, 5, (text) => context.diagnostic(text));
  assert.deepEqual(await rig.result(report, 'h2spec', 240_000), []);
});
