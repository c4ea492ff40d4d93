/**
 * How long 100,000 resources take through server and client on this machine, and how long the thread is held at a time.
 * Run: node libs/xds/bench/resync.ts [count]
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { GrpcChannel, GrpcServer } from '@ambit/grpc';
import {
  ADDRESS_TYPE,
  createContentVersion,
  DeltaClient,
  DeltaServer,
  grpcConnector,
  REQUEST_BYTES,
  ResourceStore,
  ztunnelNode,
  ztunnelTypes,
} from '../src/index.ts';

const count = Number(process.argv[2] ?? 100_000);
const store = new ResourceStore(ztunnelTypes(await createContentVersion()));
const value = (i: number): Uint8Array => new Uint8Array(160).fill(i & 0xff);
const report = (what: string, sinceMs: number): void =>
  console.log(`${what}: ${(performance.now() - sinceMs).toFixed(0)} ms`);

let startMs = performance.now();
const set = Array.from({ length: count }, (_, i) => ({ name: `Kubernetes//Pod/default/pod-${i}`, value: value(i) }));
store.apply([{ typeUrl: ADDRESS_TYPE, set }]);
report(`store ${count} resources`, startMs);

const deltas = new DeltaServer({ store, authenticate: () => ({ identities: [] }), holdMs: 0 });
const server = new GrpcServer({ handlers: [deltas.handler()], maxReceiveBytes: REQUEST_BYTES });
const port = await server.listen({ address: '127.0.0.1', port: 0 });
const delays = monitorEventLoopDelay({ resolution: 1 });
let settled = (): void => undefined;
const channel = (): GrpcChannel => new GrpcChannel({ address: `http://127.0.0.1:${port}` });
const stop = new AbortController();
let received = 0;
const client = new DeltaClient({
  node: ztunnelNode({ instanceIp: '10.0.0.1', podName: 'z', podNamespace: 's', nodeName: 'n', extraMetadata: {} }),
  types: [
    {
      typeUrl: ADDRESS_TYPE,
      mode: 'wildcard',
      update: (resources) => {
        received += resources.length;
        return [];
      },
      remove: () => undefined,
      settled: () => settled(),
    },
  ],
  connect: grpcConnector(channel),
});
startMs = performance.now();
delays.enable();
const running = client.run(stop.signal);
await client.initialSync;
delays.disable();
report(`first sync of ${received}`, startMs);
console.log(`longest hold of the one thread that both share: ${(delays.max / 1e6).toFixed(0)} ms`);

startMs = performance.now();
const changed = new Promise<void>((resolve) => {
  settled = resolve;
});
store.apply([{ typeUrl: ADDRESS_TYPE, set: [{ name: 'Kubernetes//Pod/default/pod-1', value: value(99) }] }]);
await changed;
report('one change', startMs);
stop.abort();
await running;
await server[Symbol.asyncDispose]();
