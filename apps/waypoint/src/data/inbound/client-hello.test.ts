import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import fc from 'fast-check';
import { readClientHello } from './client-hello.ts';

/** The first bytes of OpenSSL's client. */
async function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = tls.connect({ port: address.port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const [socket]: net.Socket[] = await once(server, 'connection');
  assert.ok(socket);
  const [bytes]: Buffer[] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  server.close();
  assert.ok(bytes);
  return bytes;
}

test("the server name of OpenSSL's hello is read, in any number of pieces", async () => {
  const hello = await helloOf({ servername: 'Shop.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.deepEqual(readClientHello(hello), { kind: 'hello', serverName: 'shop.example.com' });
  for (let cut = 0; cut < hello.length; cut++) assert.equal(readClientHello(hello.subarray(0, cut)).kind, 'more');
  // The same in records of fifty bytes.
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += 50) {
    const part = hello.subarray(at, at + 50);
    records.push(Buffer.of(22, 3, 1, 0, part.length), part);
  }
  assert.deepEqual(readClientHello(Buffer.concat(records)), { kind: 'hello', serverName: 'shop.example.com' });
});

test('a hello without a name is a hello', async () => {
  assert.deepEqual(readClientHello(await helloOf({})), { kind: 'hello', serverName: undefined });
});

test('what is not TLS is told at once, and no bytes break the reader', async () => {
  assert.equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')).kind, 'other');
  const hello = await helloOf({ servername: 'a.example' });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      (changes) => {
        const broken = Buffer.from(hello);
        for (const [at, value] of changes) broken[at] = value;
        const { kind } = readClientHello(broken);
        assert.ok(['hello', 'more', 'other'].includes(kind));
      },
    ),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readClientHello(Buffer.concat([Buffer.of(22, 3, 1, 0, bytes.length & 0xff), bytes]));
    }),
    { numRuns: 2000 },
  );
});
