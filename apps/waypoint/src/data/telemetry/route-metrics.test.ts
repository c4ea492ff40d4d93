/** Requests of routes with a name for statistics are counted by themselves, at a worker that serves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { destination, pod, proxy, service } from '../test-support/mesh-messages.ts';
import { WaypointRig } from '../test-support/waypoint-rig.ts';

const vip = '10.9.0.1';

test('requests are counted under the name of their route, others not at all', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('x'));
  const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: backend.port }, plain));
  const prefix = (value: string): { path: { kind: { case: 'prefix'; value: string } } } => ({
    path: { kind: { case: 'prefix', value } },
  });
  const direct = (status: number): { case: 'directResponse'; value: { status: number } } => ({
    case: 'directResponse',
    value: { status },
  });
  const [name, bytes] = destination('web', {
    httpRoutes: [
      { name: 'a', matches: [prefix('/pay')], statisticsName: 'pay', action: direct(200) },
      { name: 'b', matches: [prefix('/no')], statisticsName: 'pay', action: direct(404) },
      { name: 'c', action: direct(200) },
    ],
  });
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  const entry = rig.entry(`${vip}:80`);
  for (const path of ['/pay', '/pay/x', '/no', '/other']) await rig.fetch(entry, path);
  const lines = rig.metrics.split('\n').filter((line) => /^ambit_route_\w+(_total|_count)\{/.test(line));
  assert.deepEqual(lines.toSorted(), [
    'ambit_route_request_duration_milliseconds_count{route="pay"} 3',
    'ambit_route_requests_total{route="pay",response_code="200"} 2',
    'ambit_route_requests_total{route="pay",response_code="404"} 1',
  ]);
});
