import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AmbitError } from './ambit-error.ts';
import { describeConfig, LAB_MARKER, loadConfig, printConfig } from './config.ts';
import {
  durationMs,
  flag,
  integer,
  list,
  listenAddress,
  oneOf,
  optionalDurationMs,
  optionalText,
  parsed,
  requiredText,
  text,
} from './config-entry.ts';
import { formatDurationMs, parseDurationMs } from './duration.ts';

const table = {
  node: requiredText('NODE_NAME', 'name of the node'),
  cluster: text(['ISTIO_META_CLUSTER_ID', 'CLUSTER_ID'], 'Kubernetes', 'cluster id'),
  ipv6: flag('IPV6_ENABLED', true, 'listen on IPv6'),
  streams: integer('STREAMS', 100, { min: 1, max: 65_535 }, 'streams a connection'),
  idleMs: durationMs('IDLE', 300_000, 'idle time'),
  mode: oneOf('MODE', ['shared', 'dedicated'], 'shared', 'mode'),
  hosts: list('HOSTS', [], 'hosts'),
  token: optionalText('AUTH_TOKEN', 'token', { secret: true }),
  grpc: listenAddress('GRPC', { address: '::1', port: 15_012 }, 'where it listens'),
  deadlineMs: optionalDurationMs('DEADLINE', 'latest end'),
  limits: parsed('LIMITS', (value): unknown => JSON.parse(value), { cpu: 1 }, 'JSON of <limits>'),
};

describe('loadConfig', () => {
  test('fills defaults and remembers where each value came from', () => {
    const { config, origins } = loadConfig(table, {
      NODE_NAME: 'n1',
      CLUSTER_ID: 'c2',
      IDLE: '1m30s',
      HOSTS: 'a, b,,',
    });
    assert.deepEqual(config, {
      node: 'n1',
      cluster: 'c2',
      ipv6: true,
      streams: 100,
      idleMs: 90_000,
      mode: 'shared',
      hosts: ['a', 'b'],
      token: undefined,
      grpc: { address: '::1', port: 15_012 },
      deadlineMs: undefined,
      limits: { cpu: 1 },
    });
    assert.equal(origins['cluster'], 'CLUSTER_ID');
    assert.equal(origins['ipv6'], 'default');
    assert.ok(Object.isFrozen(config));
  });

  test('prefers the first name of a setting', () => {
    const { config } = loadConfig(table, { NODE_NAME: 'n', ISTIO_META_CLUSTER_ID: 'a', CLUSTER_ID: 'b' });
    assert.equal(config.cluster, 'a');
  });

  test('lists every problem at once, with secrets hidden', () => {
    const env = { IPV6_ENABLED: 'maybe', STREAMS: '0', MODE: 'x', AMBIT_TYPO: '1', IDLE: '5', GRPC: '::1:80' };
    assert.throws(
      () => loadConfig(table, env),
      (error: unknown) => {
        assert.ok(error instanceof AmbitError);
        assert.equal(error.code, 'BAD_CONFIG');
        for (const name of ['NODE_NAME', 'IPV6_ENABLED', 'STREAMS', 'MODE', 'AMBIT_TYPO', 'IDLE', 'GRPC'])
          assert.match(error.message, new RegExp(name));
        return true;
      },
    );
  });

  test('takes the mark of a lab beside its own settings', () => {
    const { config } = loadConfig(table, { NODE_NAME: 'n', [LAB_MARKER]: 'demo' });
    assert.equal(config.node, 'n');
  });

  test('prints values and origins but no secret', () => {
    const shown = printConfig(table, loadConfig(table, { NODE_NAME: 'n1', AUTH_TOKEN: 'hush' }));
    assert.match(shown, /NODE_NAME=n1 \(from NODE_NAME\)/);
    assert.match(shown, /DEADLINE=unset \(default\)/);
    assert.match(shown, /AUTH_TOKEN=<hidden>/);
    assert.doesNotMatch(shown, /hush/);
  });
});

test('every value is printed as it can be set', () => {
  const set = { NODE_NAME: 'n1', IPV6_ENABLED: 'false', HOSTS: 'a,b', GRPC: '0.0.0.0:80', IDLE: '90s', LIMITS: '[2]' };
  const loaded = loadConfig(table, set);
  const shown = printConfig(table, loaded).matchAll(/^(\S+?)=(.*) \((?:default|from \S+)\)$/gm);
  const again = Object.fromEntries([...shown].flatMap(([, name, value]) => (value === 'unset' ? [] : [[name, value]])));
  assert.deepEqual(loadConfig(table, again).config, loaded.config);
});

test('the page of settings has names, default and meaning of each', () => {
  const page = describeConfig(table).split('\n');
  assert.equal(page.length, Object.keys(table).length + 3);
  for (const row of [
    '| `NODE_NAME` | required | name of the node |',
    '| `ISTIO_META_CLUSTER_ID`, `CLUSTER_ID` | `Kubernetes` | cluster id |',
    '| `IDLE` | `5m` | idle time |',
    '| `HOSTS` | empty | hosts |',
    '| `GRPC` | `[::1]:15012` | where it listens |',
    '| `DEADLINE` | unset | latest end |',
    '| `LIMITS` | `{"cpu":1}` | JSON of &lt;limits> |',
  ]) {
    assert.ok(page.includes(row), row);
  }
});

test('durations are written in the largest unit that needs no fraction', () => {
  const texts = [0, 250, 1_500, 90_000, 300_000, 5_400_000, 86_400_000].map(formatDurationMs);
  assert.deepEqual(texts, ['0', '250ms', '1500ms', '90s', '5m', '90m', '24h']);
});

test('parseDurationMs reads Go and humantime durations and refuses the rest', () => {
  assert.equal(parseDurationMs('1h30m'), 5_400_000);
  assert.equal(parseDurationMs('250ms'), 250);
  assert.equal(parseDurationMs('1.5s'), 1_500);
  assert.equal(parseDurationMs('0'), 0);
  for (const bad of ['', '5', 's', '5 parsecs', '1h-3m', 'x5s', '5s!'])
    assert.throws(() => parseDurationMs(bad), `accepted ${bad}`);
});
