import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  durationMs,
  flag,
  integer,
  LAB_MARKER,
  list,
  loadConfig,
  oneOf,
  optionalText,
  parseDurationMs,
  printConfig,
  requiredText,
  text,
} from './config.ts';
import { AmbitError } from './ambit-error.ts';

const table = {
  node: requiredText('NODE_NAME', 'name of the node'),
  cluster: text(['ISTIO_META_CLUSTER_ID', 'CLUSTER_ID'], 'Kubernetes', 'cluster id'),
  ipv6: flag('IPV6_ENABLED', true, 'listen on IPv6'),
  streams: integer('STREAMS', 100, { min: 1, max: 65_535 }, 'streams a connection'),
  idleMs: durationMs('IDLE', 300_000, 'idle time'),
  mode: oneOf('MODE', ['shared', 'dedicated'], 'shared', 'mode'),
  hosts: list('HOSTS', [], 'hosts'),
  token: optionalText('AUTH_TOKEN', 'token', { secret: true }),
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
    const env = { IPV6_ENABLED: 'maybe', STREAMS: '0', MODE: 'x', AMBIT_TYPO: '1', IDLE: '5' };
    assert.throws(
      () => loadConfig(table, env),
      (error: unknown) => {
        assert.ok(error instanceof AmbitError);
        assert.equal(error.code, 'BAD_CONFIG');
        for (const name of ['NODE_NAME', 'IPV6_ENABLED', 'STREAMS', 'MODE', 'AMBIT_TYPO', 'IDLE'])
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
    assert.match(shown, /NODE_NAME="n1" \(from NODE_NAME\)/);
    assert.match(shown, /AUTH_TOKEN=<hidden>/);
    assert.doesNotMatch(shown, /hush/);
  });
});

test('parseDurationMs reads Go and humantime durations and refuses the rest', () => {
  assert.equal(parseDurationMs('1h30m'), 5_400_000);
  assert.equal(parseDurationMs('250ms'), 250);
  assert.equal(parseDurationMs('1.5s'), 1_500);
  assert.equal(parseDurationMs('0'), 0);
  for (const bad of ['', '5', 's', '5 parsecs', '1h-3m', 'x5s', '5s!'])
    assert.throws(() => parseDurationMs(bad), `accepted ${bad}`);
});
