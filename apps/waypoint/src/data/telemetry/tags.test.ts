/** Labels that Telemetry resources add, change and remove, and filters of the access log, at a worker that serves. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { openStatusWaypoint } from '../test-support/status-waypoint.ts';
import { clientId, type WaypointRig } from '../test-support/waypoint-rig.ts';

function series(rig: WaypointRig, name: string): readonly string[] {
  return rig.metrics.split('\n').filter((line) => line.startsWith(`${name}{`));
}

test('labels are added and changed by expressions for the metrics that are named, and gone where removed', async () => {
  const { rig, entry } = await openStatusWaypoint({
    metricOverrides: [
      {
        metric: 'REQUEST_COUNT',
        addedLabels: {
          host: 'request.host',
          tier: `request.headers['x-tier']`,
          who: 'source.principal',
          fixed: `'v'`,
          response_code: `response.code >= 400 ? 'bad' : 'good'`,
        },
        removedLabels: ['source_principal'],
      },
    ],
  });
  await using _ = rig;
  await rig.fetch(entry, '/200', { headers: { host: 'a.example', 'x-tier': 'go"ld' } });
  await rig.fetch(entry, '/404', { headers: { host: 'b.example' } });
  const counts = series(rig, 'istio_requests_total');
  assert.equal(counts.length, 2);
  const [good = '', bad = ''] = counts.toSorted((a) => (a.includes('a.example') ? -1 : 1));
  assert.match(good, /response_code="good"/);
  assert.match(good, new RegExp(`,fixed="v",host="a.example",tier="go\\\\"ld",who="${clientId}"\\} 1$`));
  assert.match(bad, /response_code="bad"/);
  assert.match(bad, /,host="b\.example",tier="unknown",/);
  assert.match(good, /source_principal="",/);
  const durations = series(rig, 'istio_request_duration_milliseconds_count');
  assert.ok(durations.every((line) => !line.includes('host=') && line.includes(`source_principal="${clientId}"`)));
});

test('values that requests choose freely end in one series, and are cut', async () => {
  const { rig, entry } = await openStatusWaypoint({
    metricOverrides: [{ metric: 'ALL_METRICS', addedLabels: { any: `request.headers['x-any']` } }],
  });
  await using _ = rig;
  const agent = new Agent({ keepAlive: true });
  rig.defer(() => agent.destroy());
  for (let i = 0; i < 2_100; i++) await rig.fetch(entry, '/200', { agent, headers: { 'x-any': `v${i}` } });
  await rig.fetch(entry, '/200', { agent, headers: { 'x-any': 'w'.repeat(1000) } });
  const counts = series(rig, 'istio_requests_total');
  assert.ok(counts.length <= 2001, String(counts.length));
  const overflow = counts.find((line) => line.includes('reporter="overflow"')) ?? '';
  assert.ok(Number(overflow.split(' ').at(-1)) >= 100, overflow);
  assert.ok(!overflow.includes('any='));
  assert.ok(!rig.metrics.includes('w'.repeat(257)));
});

test('what a filter is not true of is not logged', async () => {
  const filter = `response.code >= 400 || request.headers['x-log'] == 'yes'`;
  const { rig, entry } = await openStatusWaypoint({ accessLog: { enabled: true, filter } });
  await using _ = rig;
  await rig.fetch(entry, '/200/quiet');
  await rig.fetch(entry, '/404/bad');
  await rig.fetch(entry, '/200/wanted', { headers: { 'x-log': 'yes' } });
  assert.deepEqual(
    [...rig.accessLog.matchAll(/"GET (\S+) /g)].map(([, path]) => path),
    ['/404/bad', '/200/wanted'],
  );
});
