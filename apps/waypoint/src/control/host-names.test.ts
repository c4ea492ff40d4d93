import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HostNames } from './host-names.ts';

test('addresses are published when they are new or changed, and kept when the name does not resolve for a while', async () => {
  const published: string[] = [];
  let answer: readonly string[] | undefined = ['10.0.0.2', '10.0.0.1'];
  using hosts = new HostNames({
    resolve: async () => answer ?? Promise.reject(new Error('ENOTFOUND')),
    publish: (hostname, addresses) => void published.push(`${hostname} ${addresses.join()}`),
  });
  const after = async (action: () => void): Promise<readonly string[]> => {
    action();
    for (let i = 0; i < 5; i++) await nextTurn();
    return published.splice(0);
  };
  assert.deepEqual(await after(() => hosts.want('db.example')), ['db.example 10.0.0.1,10.0.0.2']);
  assert.deepEqual(await after(() => hosts.refresh()), []);
  assert.deepEqual(await after(() => hosts.want('db.example')), ['db.example 10.0.0.1,10.0.0.2']);
  answer = undefined;
  assert.deepEqual(await after(() => hosts.refresh()), []);
  answer = ['10.0.0.3'];
  assert.deepEqual(await after(() => hosts.refresh()), ['db.example 10.0.0.3']);
});
