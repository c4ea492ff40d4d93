/** The whole control half as a process would run it, serving DNS for one workload from a real xDS server. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { GrpcServer } from '@ambit/grpc';
import { workload } from '@ambit/api';
import { loadConfig } from '@ambit/runtime';
import { eventually, freePorts } from '@ambit/testing';
import { ADDRESS_TYPE, createContentVersion, DeltaServer, ResourceStore, ztunnelTypes } from '@ambit/xds';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import * as dns from 'dns-packet';
import { runZtunnel } from './ztunnel.ts';
import { ztunnelConfig } from './ztunnel-config.ts';

function addressOf(
  type: NonNullable<MessageInitShape<typeof workload.AddressSchema>['type']>,
  name: string,
): { readonly name: string; readonly value: Uint8Array } {
  return { name, value: toBinary(workload.AddressSchema, create(workload.AddressSchema, { type })) };
}

async function ask(port: number, name: string): Promise<dns.DecodedPacket> {
  const socket = createSocket('udp4');
  socket.send(dns.encode({ type: 'query', id: 7, questions: [{ type: 'A', name }] }), port, '127.0.0.1');
  const [reply]: Buffer[] = await once(socket, 'message', { signal: AbortSignal.timeout(3_000) });
  socket.close();
  assert.ok(reply);
  return dns.decode(reply);
}

test('a proxy without its control plane can be looked at, syncs when it comes, answers names, and drains', async () => {
  const [xds = 0, admin = 0, stats = 0, readiness = 0, dnsPort = 0] = await freePorts(5);
  const environment = {
    PROXY_MODE: 'dedicated',
    PROXY_WORKLOAD_INFO: 'shop/web/web',
    ENABLE_PROXY: 'false',
    XDS_ADDRESS: `http://127.0.0.1:${xds}`,
    CA_ADDRESS: '',
    RUST_LOG: 'off',
    AMBIT_ADMIN_ADDRESS: `127.0.0.1:${admin}`,
    AMBIT_STATS_ADDRESS: `127.0.0.1:${stats}`,
    AMBIT_READINESS_ADDRESS: `127.0.0.1:${readiness}`,
    AMBIT_DNS_PORT: String(dnsPort),
    IPV6_ENABLED: 'false',
  };
  const { config } = loadConfig(ztunnelConfig, environment);
  const running = runZtunnel({ config, environment, stopping: new AbortController().signal });
  const answers = async (wanted: string): Promise<boolean> => {
    const url = `http://127.0.0.1:${readiness}/healthz/ready`;
    return (await fetch(url).then((answer) => answer.text(), String)) === wanted;
  };
  await eventually('it waits', () => answers('not ready, pending: proxy, state manager\n'));

  const store = new ResourceStore(ztunnelTypes(await createContentVersion()));
  const name = 'web.shop.svc.cluster.local';
  const pod = { uid: 'k//Pod/shop/web', name: 'web', namespace: 'shop', serviceAccount: 'web', node: 'n' };
  const service = {
    name: 'web',
    namespace: 'shop',
    hostname: name,
    addresses: [{ address: Uint8Array.of(10, 96, 0, 1) }],
  };
  store.apply([
    {
      typeUrl: ADDRESS_TYPE,
      set: [
        addressOf({ case: 'workload', value: pod }, pod.uid),
        addressOf({ case: 'service', value: service }, `shop/${name}`),
      ],
    },
  ]);
  using deltas = new DeltaServer({ store, authenticate: () => ({ identities: [] }) });
  await using server = new GrpcServer({ handlers: [deltas.handler()] });
  await server.listen({ address: '127.0.0.1', port: xds });

  await eventually('it is ready', () => answers('ready\n'));
  const reply = await ask(dnsPort, 'web');
  assert.deepEqual(
    reply.answers?.map((record) => ('data' in record ? record.data : undefined)),
    ['10.96.0.1'],
  );
  const metrics = await (await fetch(`http://127.0.0.1:${stats}/metrics`)).text();
  assert.match(metrics, /istio_xds_message_total\{url="type.googleapis.com\/istio.workload.Address"\} 1/);
  assert.match(metrics, /istio_dns_requests_total\{request_query_type="A",request_protocol="udp".*\} 1/);
  const dump: unknown = await (await fetch(`http://127.0.0.1:${admin}/config_dump`)).json();
  assert.ok(typeof dump === 'object' && dump !== null && 'workloads' in dump);
  assert.equal(JSON.stringify(dump.workloads).includes('k//Pod/shop/web'), true);

  const quit = await fetch(`http://127.0.0.1:${admin}/quitquitquit`, { method: 'POST' });
  assert.equal(await quit.text(), 'shutdown now\n');
  await running;
});
