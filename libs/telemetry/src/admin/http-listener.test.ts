import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { closeServer, listen, listenAddress } from './http-listener.ts';

test('listeners on every address take IPv6 when it is enabled', () => {
  assert.deepEqual(listenAddress('*:15020', true), { host: '::', port: 15020 });
  assert.deepEqual(listenAddress('*:15020', false), { host: '0.0.0.0', port: 15020 });
  assert.deepEqual(listenAddress('[::1]:1', true), { host: '::1', port: 1 });
  assert.deepEqual(listenAddress('localhost:1', true), { host: '127.0.0.1', port: 1 });
  assert.throws(() => listenAddress('localhost', true), /expected host:port/);
});

test('a place that is taken is told with the place', async () => {
  const [first, second] = [createServer(), createServer()];
  await listen(first, { host: '127.0.0.1', port: 0 });
  const address = first.address();
  assert.ok(address !== null && typeof address === 'object');
  const place = { host: '127.0.0.1', port: address.port };
  await assert.rejects(listen(second, place), {
    code: 'LISTEN',
    message: `cannot listen on 127.0.0.1:${address.port}`,
  });
  await closeServer(first);
  await listen(second, place);
  await closeServer(second);
});
