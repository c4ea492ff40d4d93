/**
 * Stands between the lab's control plane and its node proxies: passes everything on, and adds 100,000 workloads that are
 * all replaced on command. Run as a program of its own in the namespace of the control plane, so that the proxies see a
 * resync as it comes from the network, and the control plane's own work does not count.
 *
 * Arguments: state folder of the lab, folder with leaf.pem and leaf.key, address to listen on. Each line on stdin is a
 * command (`replace`); each answer is one line.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { create, toBinary } from '@bufbuild/protobuf';
import { workload } from '@ambit/api';
import { GrpcChannel, GrpcServer, TlsServerCredentials } from '@ambit/grpc';
import type { DeltaTypeHandler } from '@ambit/xds';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  createContentVersion,
  DeltaClient,
  DeltaServer,
  grpcConnector,
  REQUEST_BYTES,
  ResourceStore,
  ztunnelNode,
  ztunnelTypes,
} from '@ambit/xds';

const WORKLOADS = 100_000;
const LISTEN_PORT = 16_012;
const UPSTREAM_PORT = 15_012;

const [stateFolder = '', certificateFolder = '', address = ''] = process.argv.slice(2);
const store = new ResourceStore(ztunnelTypes(await createContentVersion()));

function passOn(typeUrl: string): DeltaTypeHandler {
  return {
    typeUrl,
    mode: 'wildcard',
    update(resources) {
      store.apply([{ typeUrl, set: resources.map(({ name, value }) => ({ name, value: value.slice() })) }]);
      return [];
    },
    remove: (names) => store.apply([{ typeUrl, remove: names }]),
  };
}

const client = new DeltaClient({
  connect: grpcConnector(
    () =>
      new GrpcChannel({
        address: `https://${address}:${UPSTREAM_PORT}`,
        roots: { kind: 'file', path: `${stateFolder}/ca/root-cert.pem` },
        token: { kind: 'file', path: `${stateFolder}/tokens/ztunnel.node1.jwt` },
        clusterId: 'Kubernetes',
      }),
  ),
  node: ztunnelNode({
    instanceIp: '10.254.1.2',
    podName: 'relay',
    podNamespace: 'istio-system',
    nodeName: 'node1',
    extraMetadata: {},
  }),
  types: [passOn(ADDRESS_TYPE), passOn(AUTHORIZATION_TYPE)],
});
void client.run(new AbortController().signal);
await client.initialSync;

/** Pods of a node that does not exist, spread over 1,000 services; a generation differs in one field of each. */
function syntheticWorkloads(generation: number): { readonly name: string; readonly value: Uint8Array }[] {
  return Array.from({ length: WORKLOADS }, (_, index) => {
    const name = `pod-${index}`;
    const namespace = `load-${index % 1_000}`;
    const uid = `Kubernetes//Pod/${namespace}/${name}`;
    const value = create(workload.WorkloadSchema, {
      uid,
      name,
      namespace,
      addresses: [new Uint8Array([100, 64 + (index >> 16), (index >> 8) & 0xff, index & 0xff])],
      node: `elsewhere-${index % 500}`,
      tunnelProtocol: workload.TunnelProtocol.HBONE,
      serviceAccount: 'load',
      workloadType: workload.WorkloadType.POD,
      workloadName: 'load',
      canonicalName: 'load',
      canonicalRevision: `v${generation}`,
      clusterId: 'Kubernetes',
      services: {
        [`${namespace}/load.${namespace}.svc.cluster.local`]: { ports: [{ servicePort: 80, targetPort: 8080 }] },
      },
    });
    return {
      name: uid,
      value: toBinary(workload.AddressSchema, create(workload.AddressSchema, { type: { case: 'workload', value } })),
    };
  });
}

const server = new DeltaServer({ store, authenticate: () => ({ identities: [] }) });
const grpc = new GrpcServer({ handlers: [server.handler()], maxReceiveBytes: REQUEST_BYTES });
const tls = new TlsServerCredentials({
  certificateChainPem: readFileSync(`${certificateFolder}/leaf.pem`, 'utf8'),
  privateKeyPem: readFileSync(`${certificateFolder}/leaf.key`, 'utf8'),
});
await grpc.listen({ address, port: LISTEN_PORT, tls });
process.stdout.write('listening\n');

let generation = 0;
// Prepared before the command, so that the pushes are not slowed by making their content.
let next = syntheticWorkloads(generation);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'replace') {
    store.apply([{ typeUrl: ADDRESS_TYPE, set: next }]);
    process.stdout.write('replaced\n');
  } else if (line === 'prepare') {
    generation += 1;
    next = syntheticWorkloads(generation);
    process.stdout.write('prepared\n');
  }
}
process.exit();
