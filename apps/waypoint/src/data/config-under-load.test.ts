import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';
import { forwardTo } from '../request/test-support/route-messages.ts';

const plain = { tunnelProtocol: api.TunnelProtocol.NONE };

test('two hundred changes of routes, limits and endpoints under load fail no request, and the last one holds', async () => {
  await using rig = await WaypointRig.open();
  const one = await rig.backend((_request, response) => void response.end('one'));
  const two = await rig.backend((_request, response) => void response.end('two'));
  rig.mesh(
    service('web', '10.9.0.1'),
    service('one', '10.9.0.2'),
    service('two', '10.9.0.3'),
    pod('one', '127.0.0.1', { one: one.port }, plain),
    pod('two', '127.0.0.1', { two: two.port }, plain),
  );
  const routed = (to: 'one' | 'two', connectSeconds: number): readonly [string, Uint8Array] =>
    destination('web', {
      httpRoutes: [
        {
          name: to,
          action: forwardTo(`${to}.shop.svc.cluster.local`),
        },
      ],
      traffic: { limits: { connectTimeout: { seconds: BigInt(connectSeconds) } } },
    });
  const [first, second] = [destination('one'), destination('two')];
  const web = routed('one', 5);
  rig.configure({
    proxy: proxy({ destinations: [web[0], first[0], second[0]] }),
    destinations: [web, first, second],
  });
  const entry = rig.entry('10.9.0.1:80');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  rig.defer(() => agent.destroy());
  const answers: Record<string, number> = {};
  let isOver = false;
  let last = '';
  const loops = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const { promise, resolve } = Promise.withResolvers<string>();
      http
        .get({ host: '127.0.0.1', port: entry, agent }, (response) => {
          let body = '';
          response.on('data', (data) => (body += String(data)));
          response.on('end', () => resolve(response.statusCode === 200 ? body : String(response.statusCode)));
          response.on('error', (error) => resolve(error.message));
        })
        .on('error', (error) => resolve(error.message));
      last = await promise;
      answers[last] = (answers[last] ?? 0) + 1;
    }
  });
  for (let i = 0; i < 200; i++) {
    const to = i % 2 === 0 ? 'two' : 'one';
    rig.configure({ destinations: [routed(to, 5 + (i % 3))] });
    // The backend that is not routed to moves, too.
    rig.mesh(pod('spare', '127.0.0.1', { [to]: to === 'one' ? one.port : two.port }, { ...plain, capacity: i + 1 }));
    await rig.turns(3);
  }
  assert.deepEqual(Object.keys(answers).toSorted(), ['one', 'two'], JSON.stringify(answers));
  for (const key of Object.keys(answers)) delete answers[key];
  await rig.turns(100);
  const settled = Object.keys(answers);
  isOver = true;
  await rig.result(Promise.all(loops), 'the last answers');
  assert.ok(settled.includes('one') && (answers['two'] ?? 0) <= 8, JSON.stringify(answers));
});
