/**
 * Memory and time of a mesh of many workloads: `node bench/resync.ts [workloads]`.
 * Prints bytes a workload of records and of indices, time to take them in, and the longest slice of
 * 32 changes as a follower applies them.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { workload as api } from '@ambit/api';
import { changeCount, WorkloadArena, WorkloadStore } from '../src/index.ts';

const count = Number(process.argv[2] ?? 100_000);
const arena = new WorkloadArena({ localNode: 'node-1' });

function resource(i: number, revision: string): Uint8Array {
  const name = `app-${i % 1000}-7c5ddbdf54-${i.toString(36).padStart(5, 'x')}`;
  const value = create(api.WorkloadSchema, {
    uid: `Kubernetes//Pod/namespace-${i % 100}/${name}`,
    name,
    namespace: `namespace-${i % 100}`,
    addresses: [Uint8Array.of(10, (i >> 16) & 255, (i >> 8) & 255, i & 255)],
    network: 'network-1',
    trustDomain: 'cluster.local',
    serviceAccount: `app-${i % 1000}`,
    node: `node-${i % 500}`,
    canonicalName: `app-${i % 1000}`,
    canonicalRevision: revision,
    workloadName: `app-${i % 1000}`,
    tunnelProtocol: api.TunnelProtocol.HBONE,
    clusterId: 'Kubernetes',
    authorizationPolicies: ['istio-system/istio_converted_static_strict'],
    services: {
      [`namespace-${i % 100}/app-${i % 1000}.namespace-${i % 100}.svc.cluster.local`]: create(api.PortListSchema, {
        ports: [{ servicePort: 80, targetPort: 8080 }],
      }),
    },
    locality: { region: 'region-1', zone: `zone-${i % 3}` },
  });
  return toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'workload', value } }));
}

function memory(): number {
  globalThis.gc?.();
  return process.memoryUsage().arrayBuffers;
}

const resources = Array.from({ length: count }, (_, i) => resource(i, 'v1'));
const start = performance.now();
for (const bytes of resources) arena.upsert(bytes);
const writeMs = performance.now() - start;
const batch = arena.takeBatch();
if (batch === undefined) throw new Error('no batch');
const before = memory();
const follower = new WorkloadStore({ localNode: 'node-1' });
let longestMs = 0;
let applyMs = 0;
for (let at = 0; at < changeCount(batch);) {
  const sliceStart = performance.now();
  at = follower.apply(batch, at, 32);
  const elapsed = performance.now() - sliceStart;
  applyMs += elapsed;
  longestMs = Math.max(longestMs, elapsed);
}
const after = memory();
const lookupStart = performance.now();
for (let i = 0; i < count; i++)
  follower.workloadByAddress('network-1', `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`);
const lookupMs = performance.now() - lookupStart;
const { liveBytes, segmentBytes } = arena.usage;
console.log(
  JSON.stringify({
    workloads: count,
    recordBytesEach: Math.round(liveBytes / count),
    segmentMiB: Math.round(segmentBytes / 1024 / 1024),
    indexBytesEach: Math.round((after - before) / count),
    writeMs: Math.round(writeMs),
    applyMs: Math.round(applyMs),
    longestSliceMs: Math.round(longestMs * 100) / 100,
    lookupMicros: Math.round((lookupMs * 1000 * 100) / count) / 100,
  }),
);
