import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '@ambit/runtime';
import {
  checkConfig,
  dataSettings,
  drainDeadlineMs,
  packetMark,
  parseWorkloadInfo,
  serverAddress,
  tokenSetting,
  workerCount,
} from './derived-settings.ts';
import { nodeMetadata, withPrefix } from './environment-families.ts';
import { ztunnelConfig, type ZtunnelConfig } from './ztunnel-config.ts';

const load = (environment: Readonly<Record<string, string>>): ZtunnelConfig =>
  loadConfig(ztunnelConfig, { NODE_NAME: 'n', ...environment }).config;

test('the drain deadline follows the contract', () => {
  const cases: readonly (readonly [Readonly<Record<string, string>>, number])[] = [
    [{}, 5_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '30' }, 25_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '10' }, 9_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '1' }, 1_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '30', CONNECTION_TERMINATION_DEADLINE: '2s' }, 2_000],
  ];
  for (const [environment, expected] of cases) assert.equal(drainDeadlineMs(load(environment)), expected);
});

test('the mark is 1337 in shared mode, none in dedicated, and what is set otherwise', () => {
  assert.equal(packetMark(load({})), 1337);
  assert.equal(packetMark(load({ PROXY_MODE: 'dedicated' })), undefined);
  assert.equal(packetMark(load({ PROXY_MODE: 'dedicated', PACKET_MARK: '7' })), 7);
});

test('worker counts: auto, number, percent, all', () => {
  assert.deepEqual(
    [workerCount('auto', 2), workerCount('auto', 16), workerCount('3', 8), workerCount('50%', 8), workerCount('0', 8)],
    [1, 4, 3, 4, 8],
  );
  for (const bad of ['-1', 'many', '1.5', '999']) assert.throws(() => workerCount(bad), /ZTUNNEL_WORKER_THREADS/);
});

test('addresses of servers get a scheme, a default, or are turned off', () => {
  assert.equal(serverAddress(undefined, undefined), 'https://localhost:15012');
  assert.equal(serverAddress(undefined, '10.0.0.1'), 'https://istiod.istio-system.svc:15012');
  assert.equal(serverAddress('cp:15012', undefined), 'https://cp:15012');
  assert.equal(serverAddress('', undefined), undefined);
});

test('a token comes from a file, a file URL, a literal, or the default file if there is one', () => {
  assert.equal(
    tokenSetting('file:///x/token', () => false),
    '/x/token',
  );
  assert.equal(
    tokenSetting('/x/token', () => false),
    '/x/token',
  );
  assert.equal(
    tokenSetting('a.b.c', () => false),
    'a.b.c',
  );
  assert.equal(
    tokenSetting('', () => true),
    undefined,
  );
  assert.equal(
    tokenSetting(undefined, () => true),
    '/var/run/secrets/tokens/istio-token',
  );
  assert.equal(
    tokenSetting(undefined, () => false),
    undefined,
  );
});

test('settings that exclude each other stop the start with all problems', () => {
  assert.throws(() => checkConfig(loadConfig(ztunnelConfig, {}).config), /NODE_NAME is not set/);
  assert.throws(
    () => checkConfig(load({ PROXY_MODE: 'dedicated', XDS_ON_DEMAND: 'true', LOCAL_XDS: 'a', LOCAL_XDS_PATH: 'b' })),
    /PROXY_WORKLOAD_INFO[^]*LOCAL_XDS[^]*XDS_ON_DEMAND/,
  );
  assert.throws(() => load({ AMBIT_MISPELT: '1' }), /AMBIT_MISPELT is not a setting/);
});

test('the workload of dedicated mode is namespace/name/service-account', () => {
  assert.deepEqual(parseWorkloadInfo('ns/pod/sa'), { namespace: 'ns', name: 'pod', serviceAccount: 'sa' });
  for (const bad of ['ns/pod', 'ns//sa', 'a/b/c/d', ''])
    assert.throws(() => parseWorkloadInfo(bad), /expected namespace/);
});

test('worker settings carry units as their names say', () => {
  const settings = dataSettings(load({ KEEPALIVE_TIME: '3m', USER_TIMEOUT_ENABLED: 'true', ENABLE_ORIG_SRC: 'false' }));
  assert.deepEqual(settings.keepalive, { idleSec: 180, intervalSec: 180, probes: 9 });
  assert.equal(settings.userTimeoutMs, 1_800_000);
  assert.equal(settings.originalSource, 'never');
  assert.equal(dataSettings(load({ KEEPALIVE_ENABLED: 'false' })).keepalive, undefined);
});

test('metadata of the node come from both families of variables', () => {
  const environment = { ISTIO_META_A: 'x', ISTIO_METAJSON_B: '{"k":[1]}', XDS_HEADER_H: 'v', OTHER: 'y' };
  assert.deepEqual(nodeMetadata(environment), { A: 'x', B: { k: [1] } });
  assert.deepEqual(withPrefix(environment, 'XDS_HEADER_'), { H: 'v' });
  assert.throws(() => nodeMetadata({ ISTIO_METAJSON_B: '{' }), /ISTIO_METAJSON_B/);
});
