import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { auth, discovery } from '@ambit/api';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  GrpcChannel,
  GrpcError,
  type GrpcHandler,
  GrpcServer,
  bidiHandler,
  healthCheckMethod,
  healthHandler,
  methodDefinition,
  parseTokenSource,
  parseTrustRoots,
  serviceDefinition,
  toGrpcError,
  unaryHandler,
  withByteResponses,
} from './index.ts';
import { transports } from './test-support/transports.ts';

const createCertificate = methodDefinition(auth.IstioCertificateService.method.createCertificate);
const delta = methodDefinition(discovery.AggregatedDiscoveryService.method.deltaAggregatedResources);
const request = create(auth.IstioCertificateRequestSchema, { csr: 'csr', validityDuration: 60n });

async function start(...handlers: GrpcHandler[]): Promise<AsyncDisposable & { address: string; errors: unknown[] }> {
  const errors: unknown[] = [];
  const server = new GrpcServer({ handlers, onHandlerError: (_path, error) => errors.push(error) });
  const port = await server.listen({ address: '127.0.0.1', port: 0 });
  return { address: `http://127.0.0.1:${port}`, errors, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

for (const { name, open } of transports) {
  describe(`calls ${name}`, () => {
    test('a unary call carries message, cluster id and extra headers', async () => {
      let seen: unknown;
      await using server = await start(
        unaryHandler(createCertificate, (message, call) => {
          seen = [
            message.csr,
            message.validityDuration,
            call.header('clusterid'),
            call.header('x-extra'),
            call.header('none'),
          ];
          return create(auth.IstioCertificateResponseSchema, { certChain: ['leaf', 'root'] });
        }),
      );
      using channel = open({ address: server.address, clusterId: 'east', headers: { 'x-extra': '1' } });
      const response = await channel.unary(createCertificate, request);
      assert.deepEqual(response.certChain, ['leaf', 'root']);
      assert.deepEqual(seen, ['csr', 60n, 'east', '1', undefined]);
    });

    test('a handler chooses the status by GrpcError and any other exception is INTERNAL without detail', async () => {
      let failure: Error = new GrpcError('PERMISSION_DENIED', 'not yours');
      await using server = await start(
        unaryHandler(createCertificate, () => {
          throw failure;
        }),
      );
      using channel = open({ address: server.address });
      await assert.rejects(channel.unary(createCertificate, request), {
        status: 'PERMISSION_DENIED',
        message: 'not yours',
      });
      failure = new Error('secret internal detail');
      await assert.rejects(channel.unary(createCertificate, request), {
        status: 'INTERNAL',
        message: 'internal error',
      });
      assert.deepEqual(server.errors, [failure]);
    });

    test('an aborted signal cancels the call on both sides', async () => {
      const cancelled = Promise.withResolvers<void>();
      const abort = new AbortController();
      await using server = await start(
        unaryHandler(createCertificate, (_message, call) => {
          call.signal.addEventListener('abort', () => cancelled.resolve());
          abort.abort();
          return new Promise(() => undefined);
        }),
      );
      using channel = open({ address: server.address });
      await assert.rejects(channel.unary(createCertificate, request, { signal: abort.signal }), {
        status: 'CANCELLED',
      });
      await cancelled.promise;
    });

    test('a method without a handler answers UNIMPLEMENTED', async () => {
      await using server = await start(healthHandler(() => 'SERVING'));
      using channel = open({ address: server.address });
      await assert.rejects(channel.unary(createCertificate, request), { status: 'UNIMPLEMENTED' });
    });

    test('a stream may write responses that are already encoded', async () => {
      const encoded = toBinary(
        discovery.DeltaDiscoveryResponseSchema,
        create(discovery.DeltaDiscoveryResponseSchema, { nonce: 'n1', removedResources: ['a'] }),
      );
      await using server = await start(
        bidiHandler(withByteResponses(delta), async (stream) => {
          for await (const _ of stream) stream.write(encoded);
        }),
      );
      using channel = open({ address: server.address });
      const stream = channel.bidi(withByteResponses(delta));
      stream.write(create(discovery.DeltaDiscoveryRequestSchema, { typeUrl: 't' }));
      stream.end();
      const received: Uint8Array[] = [];
      for await (const bytes of stream) received.push(bytes);
      assert.equal(received.length, 1);
      assert.equal(fromBinary(discovery.DeltaDiscoveryResponseSchema, received[0]!).nonce, 'n1');
    });

    test('a stream handler that throws ends the stream with its status', async () => {
      await using server = await start(
        bidiHandler(delta, async () => {
          throw new GrpcError('UNAUTHENTICATED', 'authentication failure');
        }),
      );
      using channel = open({ address: server.address });
      const stream = channel.bidi(delta);
      const error = await stream[Symbol.asyncIterator]().next().catch(toGrpcError);
      assert.ok(error instanceof GrpcError);
      assert.deepEqual([error.status, error.message], ['UNAUTHENTICATED', 'authentication failure']);
    });

    test('a graceful stop lets a call in progress finish and refuses new ones', async () => {
      const entered = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const server = new GrpcServer({
        handlers: [
          unaryHandler(createCertificate, async () => {
            entered.resolve();
            await gate.promise;
            return create(auth.IstioCertificateResponseSchema, { certChain: ['done'] });
          }),
        ],
      });
      const port = await server.listen({ address: '127.0.0.1', port: 0 });
      using channel = open({ address: `http://127.0.0.1:${port}` });
      const call = channel.unary(createCertificate, request);
      await entered.promise;
      const stopped = server.stop(5000);
      using late = open({ address: `http://127.0.0.1:${port}` });
      await assert.rejects(late.unary(createCertificate, request), { status: 'UNAVAILABLE' });
      gate.resolve();
      assert.deepEqual((await call).certChain, ['done']);
      await stopped;
    });

    test('a message above the receive limit is refused', async () => {
      const server = new GrpcServer({
        handlers: [unaryHandler(createCertificate, () => create(auth.IstioCertificateResponseSchema))],
        maxReceiveBytes: 1024,
      });
      const port = await server.listen({ address: '127.0.0.1', port: 0 });
      await using _stop = server;
      using channel = open({ address: `http://127.0.0.1:${port}` });
      const large = create(auth.IstioCertificateRequestSchema, { csr: 'x'.repeat(2000) });
      await assert.rejects(channel.unary(createCertificate, large), { status: 'RESOURCE_EXHAUSTED' });
    });

    test('a bearer token is refused on a plaintext channel', () => {
      const token = { kind: 'literal', token: 'a.b.c' } as const;
      assert.throws(() => open({ address: 'http://127.0.0.1:1', token }), { status: 'INVALID_ARGUMENT' });
    });

    test('TLS without roots and a malformed address are refused', () => {
      assert.throws(() => open({ address: 'localhost:1' }), { status: 'INVALID_ARGUMENT' });
      assert.throws(() => open({ address: 'unix:/x' }), { status: 'INVALID_ARGUMENT' });
    });

    test('a missing or empty token file fails the call with UNAUTHENTICATED before anything is sent', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ambit-grpc-'));
      try {
        const path = join(folder, 'token');
        const roots = { kind: 'system' } as const;
        using channel = open({ address: 'localhost:1', roots, token: { kind: 'file', path } });
        await assert.rejects(channel.unary(createCertificate, request), { status: 'UNAUTHENTICATED' });
        writeFileSync(path, '\n');
        await assert.rejects(channel.unary(createCertificate, request), { status: 'UNAUTHENTICATED' });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    test('health answers the status of a known service and NOT_FOUND for others', async () => {
      await using server = await start(
        healthHandler((name) => (name === '' ? 'SERVING' : name === 'ca' ? 'NOT_SERVING' : undefined)),
      );
      using channel = open({ address: server.address });
      assert.equal(await channel.unary(healthCheckMethod, { service: '' }), 'SERVING');
      assert.equal(await channel.unary(healthCheckMethod, { service: 'ca' }), 'NOT_SERVING');
      await assert.rejects(channel.unary(healthCheckMethod, { service: 'other' }), { status: 'NOT_FOUND' });
    });
  });
}

test('a stop deadline cuts a call that never ends', async () => {
  const entered = Promise.withResolvers<void>();
  const server = new GrpcServer({
    handlers: [
      unaryHandler(createCertificate, () => {
        entered.resolve();
        return new Promise(() => undefined);
      }),
    ],
  });
  const port = await server.listen({ address: '127.0.0.1', port: 0 });
  using channel = new GrpcChannel({ address: `http://127.0.0.1:${port}` });
  const call = assert.rejects(channel.unary(createCertificate, request), GrpcError);
  await entered.promise;
  await server.stop(10);
  await call;
});

test('settings of tokens and roots are told apart by their form', () => {
  assert.deepEqual(parseTokenSource('./var/run/secrets/tokens/istio-token').kind, 'file');
  assert.deepEqual(parseTokenSource('/tokens/a.b.c').kind, 'file');
  assert.deepEqual(parseTokenSource('file:///tokens/x'), { kind: 'file', path: '/tokens/x' });
  assert.deepEqual(parseTokenSource('eyJh.eyJp.c2ln').kind, 'literal');
  assert.deepEqual(parseTrustRoots('SYSTEM').kind, 'system');
  assert.deepEqual(parseTrustRoots('-----BEGIN CERTIFICATE-----\n').kind, 'inline');
  assert.deepEqual(parseTrustRoots('./root-cert.pem').kind, 'file');
});

test('a service definition lists each method under its code name', () => {
  const definition = serviceDefinition(auth.IstioCertificateService);
  assert.deepEqual(Object.keys(definition), ['createCertificate']);
  assert.equal(definition['createCertificate']?.path, '/istio.v1.auth.IstioCertificateService/CreateCertificate');
});
