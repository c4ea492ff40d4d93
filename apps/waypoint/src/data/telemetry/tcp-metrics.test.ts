/** What Telemetry resources say of the metrics of connections. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { proxy as proxyMessages, workload as api } from '@ambit/api';
import { listenOnLoopback } from '@ambit/testing';
import { destination, pod, proxy, service } from '../test-support/mesh-messages.ts';
import { WaypointRig } from '../test-support/waypoint-rig.ts';

const vip = '10.9.0.1';

test('an open connection is counted at the interval that is asked for, and metrics that are off have no series', async () => {
  await using rig = await WaypointRig.open();
  const server = net.createServer((socket) => {
    rig.defer(() => socket.destroy());
    socket.on('error', () => {});
    socket.write('hello');
  });
  rig.defer(() => server.close());
  const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: await listenOnLoopback(server) }, plain));
  const [name, bytes] = destination('web', { protocol: proxyMessages.Protocol.TCP });
  const telemetry = {
    tcpReportInterval: { nanos: 20_000_000 },
    metricOverrides: [{ metric: 'TCP_RECEIVED_BYTES', disabled: true }],
  };
  rig.configure({ proxy: proxy({ destinations: [name], telemetry }), destinations: [[name, bytes]] });
  const client = net.connect(rig.entry(`${vip}:80`), '127.0.0.1');
  rig.defer(() => client.destroy());
  client.on('error', () => {});
  await rig.until(() => /istio_tcp_sent_bytes_total\{.*\} 5\n/.test(rig.metrics), 'bytes of an open connection');
  assert.match(rig.metrics, /istio_tcp_connections_opened_total\{.*\} 1\n/);
  assert.doesNotMatch(rig.metrics, /istio_tcp_received_bytes_total\{/);
});
