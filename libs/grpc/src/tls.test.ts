import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { auth } from '@ambit/api';
import { eventually, makeTestCa } from '@ambit/testing';
import { create } from '@bufbuild/protobuf';
import {
  type CallContext,
  type GrpcClient,
  type GrpcClientOptions,
  GrpcServer,
  TlsServerCredentials,
  methodDefinition,
  unaryHandler,
} from './index.ts';
import { transports } from './test-support/transports.ts';

const method = methodDefinition(auth.IstioCertificateService.method.createCertificate);
const message = create(auth.IstioCertificateRequestSchema, {});
const folder = mkdtempSync(join(tmpdir(), 'ambit-grpc-tls-'));
after(() => rmSync(folder, { recursive: true }));

type TestCa = ReturnType<typeof makeTestCa>;

interface Started extends AsyncDisposable {
  readonly credentials: TlsServerCredentials;
  readonly calls: CallContext[];
  channel(options?: Partial<GrpcClientOptions>): GrpcClient;
}

async function startFor(
  open: (options: GrpcClientOptions) => GrpcClient,
  ca: TestCa,
  options: { mode?: 'none' | 'optional' | 'required'; names?: string[]; host?: string } = {},
): Promise<Started> {
  const leaf = ca.issue(undefined, {
    dnsNames: options.names ?? ['localhost'],
    ipAddresses: options.names === undefined ? ['127.0.0.1'] : [],
  });
  const credentials = new TlsServerCredentials({ ...leaf, clientRootsPem: ca.rootsPem }, options.mode ?? 'none');
  const calls: CallContext[] = [];
  const handler = unaryHandler(method, (_request, call) => {
    calls.push(call);
    return create(auth.IstioCertificateResponseSchema, { certChain: ['ok'] });
  });
  const server = new GrpcServer({ handlers: [handler] });
  const port = await server.listen({ address: '127.0.0.1', port: 0, tls: credentials });
  return {
    credentials,
    calls,
    channel: (more) =>
      open({
        address: `https://${options.host ?? '127.0.0.1'}:${port}`,
        roots: { kind: 'inline', pem: ca.rootsPem },
        ...more,
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const quick = { timeoutMs: 5000 };

for (const { name, open } of transports) {
  describe(`TLS ${name}`, () => {
    const start = (ca: TestCa, options?: Parameters<typeof startFor>[2]): Promise<Started> =>
      startFor(open, ca, options);

    test('a server is verified by address, by name and by an intermediate chain', async () => {
      await using byRoot = await start(makeTestCa());
      using direct = byRoot.channel();
      assert.deepEqual((await direct.unary(method, message, quick)).certChain, ['ok']);
      await using byIntermediate = await start(makeTestCa({ intermediate: true }), { host: 'localhost' });
      using named = byIntermediate.channel();
      assert.deepEqual((await named.unary(method, message, quick)).certChain, ['ok']);
    });

    test('a server of another root, or with another name, is refused; an alternative name is accepted', async () => {
      const ca = makeTestCa();
      await using server = await start(ca, { names: ['istiod.istio-system.svc'] });
      using wrongName = server.channel();
      await assert.rejects(wrongName.unary(method, message, quick), { status: 'UNAVAILABLE' });
      using otherName = server.channel({ altHostname: 'istiod.other.svc' });
      await assert.rejects(otherName.unary(method, message, quick), { status: 'UNAVAILABLE' });
      using alternative = server.channel({ altHostname: 'istiod.istio-system.svc' });
      await alternative.unary(method, message, quick);
      using stranger = server.channel({
        altHostname: 'istiod.istio-system.svc',
        roots: { kind: 'inline', pem: makeTestCa().rootsPem },
      });
      await assert.rejects(stranger.unary(method, message, quick), { status: 'UNAVAILABLE' });
      using system = server.channel({ altHostname: 'istiod.istio-system.svc', roots: { kind: 'system' } });
      await assert.rejects(system.unary(method, message, quick), { status: 'UNAVAILABLE' });
    });

    test('an optional client certificate is shown to handlers only if it verified', async () => {
      const ca = makeTestCa({ intermediate: true });
      await using server = await start(ca, { mode: 'optional' });
      const own = ca.issue('spiffe://cluster.local/ns/a/sa/b');
      const cases: readonly (readonly [GrpcClientOptions['clientCertificate'], boolean])[] = [
        [undefined, false],
        [own, true],
        [makeTestCa().issue('spiffe://cluster.local/ns/a/sa/b'), false],
        [ca.issue('spiffe://cluster.local/ns/a/sa/b', { purposes: ['serverAuth'] }), false],
        [
          ca.issue('spiffe://cluster.local/ns/a/sa/b', {
            notAfterMs: Date.now() - 60_000,
            notBeforeMs: Date.now() - 120_000,
          }),
          false,
        ],
      ];
      for (const [clientCertificate, isShown] of cases) {
        using channel = server.channel(clientCertificate === undefined ? {} : { clientCertificate });
        await channel.unary(method, message, quick);
        assert.equal(server.calls.at(-1)?.clientCertificate !== undefined, isShown);
      }
    });

    test('a required client certificate is demanded', async () => {
      const ca = makeTestCa();
      await using server = await start(ca, { mode: 'required' });
      using without = server.channel();
      await assert.rejects(without.unary(method, message, quick), { status: 'UNAVAILABLE' });
      using foreign = server.channel({ clientCertificate: makeTestCa().issue('spiffe://a/ns/b/sa/c') });
      await assert.rejects(foreign.unary(method, message, quick), { status: 'UNAVAILABLE' });
      using own = server.channel({ clientCertificate: ca.issue('spiffe://a/ns/b/sa/c') });
      await own.unary(method, message, quick);
    });

    test('a certificate is swapped for new connections while a connection of the old one stays usable', async () => {
      const first = makeTestCa();
      const next = makeTestCa();
      await using server = await start(first);
      using old = server.channel();
      await old.unary(method, message, quick);
      server.credentials.update(next.issue(undefined, { ipAddresses: ['127.0.0.1'] }));
      await old.unary(method, message, quick);
      using stale = server.channel();
      await assert.rejects(stale.unary(method, message, quick), { status: 'UNAVAILABLE' });
      using fresh = server.channel({ roots: { kind: 'inline', pem: next.rootsPem } });
      await fresh.unary(method, message, quick);
      const mismatched = {
        ...next.issue(undefined, { ipAddresses: ['127.0.0.1'] }),
        privateKeyPem: first.signingKeyPem,
      };
      assert.throws(() => server.credentials.update(mismatched));
      using after = server.channel({ roots: { kind: 'inline', pem: next.rootsPem } });
      await after.unary(method, message, quick);
    });

    test('token and roots are taken from their files as they are at each call', { timeout: 15_000 }, async () => {
      const first = makeTestCa();
      const next = makeTestCa();
      const rootsDir = join(folder, `roots ${name}`);
      mkdirSync(rootsDir);
      const path = join(rootsDir, 'root-cert.pem');
      const publish = (pem: string): void => {
        writeFileSync(`${path}.new`, pem);
        renameSync(`${path}.new`, path);
      };
      const token = join(folder, `token ${name}`);
      publish(first.rootsPem);
      writeFileSync(token, 'one\n');
      await using server = await start(first);
      using channel = server.channel({
        roots: { kind: 'file', path },
        token: { kind: 'file', path: token },
        rootsDebounceMs: 10,
      });
      await channel.unary(method, message, quick);
      writeFileSync(token, 'two');
      await channel.unary(method, message, quick);
      assert.deepEqual(
        server.calls.map((call) => call.header('authorization')),
        ['Bearer one', 'Bearer two'],
      );

      // The server moves to a new root. The old connection works until the file says that its root is gone.
      server.credentials.update(next.issue(undefined, { ipAddresses: ['127.0.0.1'] }));
      await channel.unary(method, message, quick);
      const peers = new Set(server.calls.map((call) => call.peer));
      assert.equal(peers.size, 1);
      publish('half-written');
      publish(next.rootsPem);
      await eventually('the channel is built again', async () => {
        await channel.unary(method, message, quick);
        return new Set(server.calls.map((call) => call.peer)).size > 1;
      });
    });
  });
}

// A stop that waited for the handshake would never end; the time limit is that of a hang.
test('a connection that never ends its handshake does not hold up a stop', { timeout: 60_000 }, async () => {
  const ca = makeTestCa();
  const leaf = ca.issue(undefined, { dnsNames: ['localhost'] });
  const server = new GrpcServer({
    handlers: [unaryHandler(method, () => create(auth.IstioCertificateResponseSchema))],
  });
  const tls = new TlsServerCredentials(leaf);
  const port = await server.listen({ address: '127.0.0.1', port: 0, tls });
  const silent = connect(port, '127.0.0.1');
  await once(silent, 'connect');
  // The server has it when a later connection was answered.
  const later = connect(port, '127.0.0.1');
  later.write('no TLS');
  await once(later.resume(), 'close');
  await server.stop(50);
  silent.destroy();
});
