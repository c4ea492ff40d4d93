import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CallContext,
  GrpcChannel,
  type GrpcClient,
  GrpcError,
  GrpcServer,
  grpcStatusCode,
  RpcChannel,
  toGrpcError,
} from '@ambit/grpc';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { discovery } from '@ambit/api';
import { createContentVersion } from './content-version.ts';
import { DeltaClient } from './delta-client.ts';
import { encodeRequest } from './delta-request.ts';
import { deltaMethod } from './delta-method.ts';
import { DeltaServer, type DeltaServerOptions, REQUEST_BYTES } from './delta-server.ts';
import { grpcConnector } from './delta-transport.ts';
import { ResourceStore, ztunnelTypes } from './resource-store.ts';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from './type-url.ts';
import { ztunnelNode } from './xds-node.ts';

const version = await createContentVersion();
const ZTUNNEL = { instanceIp: '10.0.0.1', podName: 'z', podNamespace: 'sys', nodeName: 'n', extraMetadata: {} };

interface Served extends AsyncDisposable {
  readonly store: ResourceStore;
  readonly deltas: DeltaServer;
  readonly address: string;
}

async function serve(options: Partial<DeltaServerOptions> = {}): Promise<Served> {
  const store = new ResourceStore(ztunnelTypes(version));
  const deltas = new DeltaServer({ store, authenticate: () => ({ identities: [] }), ...options });
  const server = new GrpcServer({ handlers: [deltas.handler()], maxReceiveBytes: REQUEST_BYTES });
  const port = await server.listen({ address: '127.0.0.1', port: 0 });
  return {
    store,
    deltas,
    address: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      deltas[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Both carry the same streams. */
const transports: readonly (readonly [string, (address: string) => GrpcClient])[] = [
  ['grpc-js', (address) => new GrpcChannel({ address })],
  ["the mesh's own transport", (address) => new RpcChannel({ address })],
];

/** The status a stream ends with after one request. */
async function statusOf(channel: GrpcClient, request: Uint8Array): Promise<string> {
  using _owned = channel;
  const stream = channel.bidi(deltaMethod());
  stream.write(request);
  try {
    for await (const _message of stream) stream.cancel();
    return '0';
  } catch (cause) {
    const { status, message } = toGrpcError(cause);
    return `${grpcStatusCode(status)} ${message}`;
  }
}

for (const [name, open] of transports) {
  test(`resources set before and after the connection reach a client over ${name}, policies first`, async () => {
    await using served = await serve();
    const { store } = served;
    store.apply([
      { typeUrl: WDS, set: [{ name: 'w1', value: Uint8Array.of(1) }] },
      { typeUrl: WADS, set: [{ name: 'ns/p', value: Uint8Array.of(2) }] },
    ]);
    const log: string[] = [];
    let logged = (): void => undefined;
    const handler = (typeUrl: string) => ({
      typeUrl,
      mode: 'wildcard' as const,
      update: (resources: readonly { readonly name: string }[]) => {
        log.push(...resources.map(({ name }) => `+${name}`));
        logged();
        return [];
      },
      remove: (names: readonly string[]) => {
        log.push(...names.map((name) => `-${name}`));
        logged();
      },
    });
    const stop = new AbortController();
    const client = new DeltaClient({
      node: ztunnelNode(ZTUNNEL),
      types: [handler(WDS), handler(WADS)],
      connect: grpcConnector(() => open(served.address)),
    });
    const running = client.run(stop.signal);
    await client.initialSync;
    assert.deepEqual(log, ['+ns/p', '+w1']);
    store.apply([{ typeUrl: WDS, set: [{ name: 'w2', value: Uint8Array.of(1) }], remove: ['w1'] }]);
    await new Promise<void>((resolve) => {
      logged = () => (log.length === 4 ? resolve() : undefined);
    });
    assert.deepEqual(log.slice(2), ['+w2', '-w1']);
    assert.equal(served.deltas.streams, 1);
    stop.abort();
    await running;
  });

  test(`streams that may not be are refused with the status of the contract over ${name}`, async () => {
    const unauthenticated = (_call: CallContext): never => {
      throw new GrpcError('UNAUTHENTICATED', 'authentication failure');
    };
    await using closed = await serve({ authenticate: unauthenticated });
    await using allowed = await serve({
      authenticate: () => ({ identities: ['spiffe://cluster.local/ns/sys/sa/ztunnel'] }),
    });
    const request = (node: ReturnType<typeof ztunnelNode> | undefined): Uint8Array =>
      encodeRequest({ typeUrl: WDS, ...(node === undefined ? {} : { node }) });
    const node = ztunnelNode(ZTUNNEL);
    assert.equal(await statusOf(open(closed.address), request(node)), '16 authentication failure');
    assert.equal(await statusOf(open(allowed.address), request(undefined)), '3 missing node information');
    assert.match(
      await statusOf(open(allowed.address), request({ ...node, id: 'ztunnel~nope~a.b~c' })),
      /^3 .*IP address/,
    );
    assert.match(
      await statusOf(open(allowed.address), request({ ...node, id: 'toaster~10.0.0.1~a.b~c' })),
      /^3 .*unknown type/,
    );
    const other = ztunnelNode({ ...ZTUNNEL, podNamespace: 'other' });
    assert.match(await statusOf(open(allowed.address), request(other)), /^7 /);
    assert.match(await statusOf(open(allowed.address), Uint8Array.of(0xff)), /^3 /);
    assert.match(
      await statusOf(open(allowed.address), request(node)),
      /^1 /,
      'a proper request is answered, and cancelled here',
    );
  });
}

test('a request is the message protobuf defines', () => {
  const bytes = encodeRequest({ typeUrl: 't', nonce: 'n', error: 'e', initialVersions: new Map([['a', '1']]) });
  const message = fromBinary(discovery.DeltaDiscoveryRequestSchema, bytes);
  assert.deepEqual(
    message,
    create(discovery.DeltaDiscoveryRequestSchema, {
      typeUrl: 't',
      responseNonce: 'n',
      errorDetail: { message: 'e' },
      initialResourceVersions: { a: '1' },
    }),
  );
  assert.deepEqual(toBinary(discovery.DeltaDiscoveryRequestSchema, message), bytes);
});
