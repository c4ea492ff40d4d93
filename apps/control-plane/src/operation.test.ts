/** What an operator meets: broken input, readiness, metrics, new certificates, a restart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@ambit/testing';
import { ADDRESS_TYPE as WDS } from '@ambit/xds';
import type { RunningControlPlane } from './control-plane.ts';
import {
  manifests,
  ca,
  logLines,
  writeCertificate,
  write,
  pod,
  policy,
  token,
  start,
  Client,
  webUid,
} from './testing/folder-mesh.ts';

test('broken YAML changes nothing for clients and is reported by file and line', async () => {
  write('web.yaml', pod('web', '10.0.0.2', 'app: web'));
  write('policy.yaml', policy('deny', 'web', 'DENY'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  write('policy.yaml', policy('deny', 'web', 'DENNY'));
  write('web.yaml', `${pod('web', '10.0.0.2', 'app: web')}---\n[`);
  write('twin.yaml', pod('web2', '10.0.0.2'));
  assert.deepEqual(await client.next(1), ['wds +Kubernetes//Pod/shop/web2']);
  const reports: unknown = await (await fetch(`http://127.0.0.1:${running.httpPort}/debug/reports`)).json();
  assert.ok(Array.isArray(reports));
  const texts = reports.map((report: { text: string }) => report.text.replaceAll(`${manifests}/`, ''));
  assert.match(
    texts[0] ?? '',
    /^policy\.yaml:4:\d+: error: spec\.action must be one of ALLOW, DENY, AUDIT, CUSTOM, not "DENNY"; did you mean DENY\?; the last good version of this object stays in force$/,
  );
  assert.match(
    texts[1] ?? '',
    /^twin\.yaml:1:1: warning: Pod shop\/web2 has address 10\.0\.0\.2, which Pod shop\/web \(web\.yaml:1:1\) has too/,
  );
  assert.match(texts[2] ?? '', /^web\.yaml:\d+:\d+: error: this is not valid YAML: /);
  assert.equal(logLines.filter((line) => line.includes('DENNY')).length, 1, 'each report is logged once');
});

test('a start with a broken policy serves nobody until it is mended, so that no client loses it', async () => {
  write('policy.yaml', policy('deny', 'web', 'DENNY'));
  const starting = start();
  let isServing = false;
  void starting.then(() => (isServing = true));
  await eventually('it says so', () => logLines.some((line) => line.includes('xDS is not served')));
  assert.equal(isServing, false);
  write('policy.yaml', policy('deny', 'web', 'DENY'));
  await using running = await starting;
  using client = new Client(running.port, await token());
  client.subscribe();
  assert.ok((await client.next(2)).includes('wads +shop/deny'));
});

test('readiness, metrics and the table of connections can be read', async () => {
  write('web.yaml', pod('web', '10.0.0.2'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  client.send({
    typeUrl: WDS,
    nonce: client.responses.find(({ typeUrl }) => typeUrl === WDS)?.nonce ?? '',
    error: 'no thanks',
  });
  write('api.yaml', pod('api', '10.0.0.3'));
  await client.next(1);
  const text = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  assert.equal(await text(running.httpPort, '/ready'), 'ready\n');
  const metrics = await text(running.metricsPort, '/metrics');
  for (const line of [
    'pilot_xds{version="0.1.0"} 1',
    'pilot_xds_pushes{type="wads"} 1',
    'pilot_xds_pushes{type="wds"} 2',
    'pilot_total_xds_rejects{type="wds"} 1',
    'ambit_workloads 2',
    'pilot_services 0',
    'pilot_push_triggers{type="endpoint"} 1',
    'pilot_virt_services 0',
    'pilot_total_xds_internal_errors 0',
    'istiod_managed_clusters 1',
    'ambit_xds_slow_streams 0',
    'ambit_xds_pinned_bytes 0',
    'ambit_xds_sending_bytes 0',
  ]) {
    assert.ok(metrics.includes(`\n${line}\n`), `${line} in\n${metrics}`);
  }
  for (const name of [
    'pilot_debounce_time',
    'pilot_proxy_queue_time',
    'pilot_xds_push_time',
    'pilot_proxy_convergence_time',
  ]) {
    assert.match(metrics, new RegExp(`^${name}_count [1-9]`, 'm'));
  }
  const syncz: unknown = JSON.parse(await text(running.httpPort, '/debug/syncz'));
  assert.match(JSON.stringify(syncz), /"node":"ztunnel~10\.0\.0\.1~z\.istio-system~.*"pushes":2,.*"rejections":1/);
});

test('a new serving certificate is used for new connections without a restart', async () => {
  await using running = await start();
  using before = new Client(running.port, await token(), 'control-plane.test');
  before.subscribe();
  await before.next(2);
  writeCertificate('renewed.test');
  await eventually('the new names', async () => (await peerNames(running.port)).includes('renewed.test'));
  write('web.yaml', pod('web', '10.0.0.2'));
  assert.deepEqual(await before.next(1), [`wds +${webUid}`], 'the connection from before goes on');
});

async function peerNames(port: number): Promise<string> {
  const { connect } = await import('node:tls');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: '127.0.0.1', port, ca: ca.rootsPem, ALPNProtocols: ['h2'] }, () => {
    resolve(socket.getPeerCertificate().subjectaltname ?? '');
    socket.destroy();
  });
  socket.on('error', reject);
  return promise;
}

test('addresses allocated to a ServiceEntry are the same after a restart', async () => {
  const entry = (name: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: ${name}, namespace: shop }\nspec: { hosts: [${name}.example], resolution: DNS, ports: [{ number: 80, name: http }] }\n`;
  const addressOf = async (running: RunningControlPlane): Promise<string> => {
    const config: unknown = await (await fetch(`http://127.0.0.1:${running.httpPort}/debug/config`)).json();
    return /"hostname":"m\.example","addresses":\[\{"address":"([^"]+)"/.exec(JSON.stringify(config))?.[1] ?? '';
  };
  write('m.yaml', entry('m'));
  {
    await using running = await start();
    assert.equal(await addressOf(running), '240.240.0.1');
  }
  write('a.yaml', entry('a'));
  await using restarted = await start();
  assert.equal(await addressOf(restarted), '240.240.0.1');
});
