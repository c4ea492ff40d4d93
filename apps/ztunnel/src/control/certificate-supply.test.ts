import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload } from '@ambit/api';
import { CertificateManager } from '@ambit/identity';
import { AmbitError, ManualClock } from '@ambit/runtime';
import { createLogger } from '@ambit/telemetry';
import { create, toBinary } from '@bufbuild/protobuf';
import type { ToWorker } from '../worker-protocol.ts';
import { CertificateSupply } from './certificate-supply.ts';
import { MeshState } from './mesh-state.ts';

const HBONE = workload.TunnelProtocol.HBONE;
const NONE = workload.TunnelProtocol.NONE;
const identityOf = (account: string): string => `spiffe://cluster.local/ns/ns/sa/${account}`;

/** A supply over a CA that refuses, and the state it watches. */
function rig(isServed = true) {
  const asked: string[] = [];
  const told: string[] = [];
  const state = new MeshState({ localNode: 'n1', publish: () => undefined });
  const manager = new CertificateManager({
    clock: new ManualClock(),
    client: {
      fetchCertificate: (identity) => {
        asked.push(identity);
        return Promise.reject(new AmbitError('REFUSED', 'not today'));
      },
    },
  });
  const supply = new CertificateSupply({
    manager,
    isServed: () => isServed,
    log: createLogger({ destination: { write: () => undefined } }).scope('t'),
    publish: (message: ToWorker) => {
      if ('identity' in message) told.push(`${message.kind} ${message.identity}`);
    },
  });
  state.store.watchLocal(supply);
  const addresses = state.addressHandler('wildcard');
  return {
    asked,
    told,
    manager,
    supply,
    add: (name: string, account: string, node: string, tunnelProtocol: workload.TunnelProtocol) => {
      const value = { uid: name, name, namespace: 'ns', serviceAccount: account, node, tunnelProtocol };
      const address = create(workload.AddressSchema, { type: { case: 'workload', value } });
      addresses.update([{ name, version: '', value: toBinary(workload.AddressSchema, address), aliases: [] }]);
    },
    remove: (name: string) => addresses.remove([name]),
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('certificates are fetched ahead for the HBONE workloads of this node only', async () => {
  const { asked, add } = rig();
  add('a', 'one', 'n1', HBONE);
  add('b', 'two', 'n2', HBONE);
  add('c', 'three', 'n1', NONE);
  add('d', 'one', 'n1', HBONE);
  await settle();
  assert.deepEqual(asked, [identityOf('one')]);
});

test('an identity is forgotten with its last workload', async () => {
  const { told, add, remove, manager } = rig();
  add('a', 'one', 'n1', HBONE);
  add('b', 'one', 'n1', HBONE);
  await settle();
  remove('a');
  assert.equal(manager.statuses().length, 1);
  remove('b');
  assert.equal(manager.statuses().length, 0);
  assert.ok(told.includes(`certificateForgotten ${identityOf('one')}`));
});

test('a workload that is updated keeps its certificate', async () => {
  const { add, told, manager } = rig();
  add('a', 'one', 'n1', HBONE);
  await settle();
  told.length = 0;
  add('a', 'one', 'n1', NONE);
  add('a', 'one', 'n1', HBONE);
  add('a', 'one', 'n1', HBONE);
  assert.equal(manager.statuses().length, 1);
});

test('no key is fetched for an identity without a workload here, whoever asks', async () => {
  const { asked, told, supply, add } = rig();
  add('b', 'two', 'n2', HBONE);
  supply.need(identityOf('two'));
  supply.need('not an id');
  await settle();
  assert.deepEqual(asked, []);
  assert.deepEqual(told, [`certificateFailed ${identityOf('two')}`, 'certificateFailed not an id']);
});

test('a failing CA is reported to whoever waits', async () => {
  const { told, supply, add } = rig();
  add('c', 'three', 'n1', NONE);
  supply.need(identityOf('three'));
  await settle();
  assert.ok(told.includes(`certificateFailed ${identityOf('three')}`));
});

test('workloads that are not served here do not count', async () => {
  const { asked, add, remove } = rig(false);
  add('a', 'one', 'n1', HBONE);
  remove('a');
  await settle();
  assert.deepEqual(asked, []);
});
