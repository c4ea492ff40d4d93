/** The way out to hosts that a wildcard covers is no way to anywhere else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import { changeCount, WorkloadArena, WorkloadStore } from '@ambit/workload';
import { coversHost } from '../../config/wildcard-host.ts';
import { pod } from '../test-support/mesh-messages.ts';
import { wildcardEndpoints } from './wildcard-hosts.ts';

const pattern = '*.example.org';

function addressesOf(host: string, resolved: readonly string[] | undefined): readonly string[] | 'resolving' {
  const arena = new WorkloadArena();
  arena.upsert(pod('web', '10.0.0.7', {}, { tunnelProtocol: api.TunnelProtocol.HBONE }));
  const batch = arena.takeBatch();
  assert.ok(batch !== undefined);
  const store = new WorkloadStore();
  store.apply(batch, 0, changeCount(batch));
  const asked: string[] = [];
  const lookUp = (name: string): readonly string[] | undefined => {
    asked.push(name);
    return resolved;
  };
  const found = wildcardEndpoints({ store, network: '', lookUp }, pattern, host, 443);
  assert.ok(asked.every((name) => name === host.toLowerCase()));
  return found === 'resolving' ? found : found.map(({ socketAddress }) => socketAddress.address);
}

test('a wildcard covers what has a label more, and nothing that is no host name', () => {
  for (const host of ['a.example.org', 'a.b.example.org', '_x.example.org']) assert.ok(coversHost(pattern, host), host);
  for (const host of [
    'example.org',
    '.example.org',
    'badexample.org',
    'a.example.org.evil.net',
    'a..example.org',
    'a/b.example.org',
    'a b.example.org',
    '-a.example.org',
    '10.0.0.1',
    `${'a'.repeat(300)}.example.org`,
    // With a pattern that could cut the name at every character this one took longer than anybody waits.
    `${'a'.repeat(60)}!.example.org`,
    `${'a'.repeat(64)}.example.org`,
  ]) {
    assert.ok(!coversHost(pattern, host), host);
  }
});

test('all addresses of the host are endpoints, asked for by its name in lower case', () => {
  assert.deepEqual(addressesOf('A.Example.org', ['203.0.113.1', '2001:db8::1']), ['203.0.113.1', '2001:db8::1']);
  assert.equal(addressesOf('a.example.org', undefined), 'resolving');
  assert.deepEqual(addressesOf('a.example.org', []), []);
});

test('another host is not even looked up', () => {
  for (const host of ['example.com', 'example.org', '10.0.0.7']) {
    const found = wildcardEndpoints(
      { store: new WorkloadStore(), network: '', lookUp: () => assert.fail('looked up') },
      pattern,
      host,
      443,
    );
    assert.deepEqual(found, []);
  }
});

test('a name does not lead to the own machine, its link, or a pod of the mesh', () => {
  const inside = [
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '169.254.169.254',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:169.254.169.254',
    '10.0.0.7',
    'no address',
  ];
  assert.deepEqual(addressesOf('a.example.org', [...inside, '203.0.113.1']), ['203.0.113.1']);
});
