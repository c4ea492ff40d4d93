/** Sockets to endpoints are probed as the policy says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';
const established = '01';
const keepaliveTimer = '02';

/** Timers that run for this machine's IPv4 connections to a port. Linux: proc_net_tcp, the column tr. */
function timersTo(port: number): readonly string[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/self/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , to = '', state]) => to.endsWith(remote) && state === established)
    .map(([, , , , , timer = '']) => timer.split(':')[0] ?? '');
}

for (const [what, keepalive, isProbed] of [
  ["with the system's times where the policy names none", {}, true],
  ['with times of the policy', { probes: 3, timeSec: 30, intervalSec: 5 }, true],
  ['with times beyond what the system knows', { probes: 4_000, timeSec: 2 ** 31, intervalSec: 2 ** 31 }, true],
  ['not at all without a word of it', undefined, false],
] as const)
  test(`connections to an endpoint are probed ${what}`, async () => {
    await using rig = await WaypointRig.open();
    const backend = await rig.backend((_request, response) => void response.end('served'));
    rig.mesh(
      service('web', vip),
      pod('web', '127.0.0.1', { web: backend.port }, { tunnelProtocol: api.TunnelProtocol.NONE }),
    );
    const limits = { maxConnections: 10, ...(keepalive === undefined ? {} : { keepalive }) };
    const [name, bytes] = destination('web', { traffic: { limits } });
    rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
    assert.equal((await rig.fetch(rig.entry(`${vip}:80`), '/')).body, 'served');
    // What was sent may not be acknowledged yet, which has a timer of its own.
    await rig.until(() => timersTo(backend.port).every((timer) => timer === '00' || timer === keepaliveTimer), 'quiet');
    assert.deepEqual(timersTo(backend.port), [isProbed ? keepaliveTimer : '00']);
  });
