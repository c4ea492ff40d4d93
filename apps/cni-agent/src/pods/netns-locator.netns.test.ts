/** Whose a network namespace is, in real ones. Needs root. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '@ambit/kube';
import { mustRun } from '@ambit/runtime';
import { nodeProgram } from '../node-programs.ts';
import { NetnsLocator } from './netns-locator.ts';
import { NetnsLooker } from './netns-looker.ts';
import { ToldPods } from './told-pods.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';

function pod(podIPs: readonly string[], annotations: Readonly<Record<string, string>> = {}): Pod {
  return {
    kind: 'Pod',
    origin: { file: 'x', line: 1, column: 1 },
    metadata: {
      name: 'web',
      namespace: 'shop',
      labels: {},
      annotations,
      uid: 'u1',
      creationTimestamp: undefined,
      deletionTimestamp: undefined,
      generateName: undefined,
      ownerReferences: [],
    },
    spec: { nodeName: 'n', serviceAccountName: 'default', hostNetwork: false, containers: [], initContainers: [] },
    status: { phase: 'Running', podIPs, isReady: true },
  };
}

describe('the namespace of a pod', { skip }, () => {
  const [own, other] = ['own', 'other'].map((name) => `ambt-locate-${process.pid}-${name}`) as [string, string];
  const path = (name: string): string => `/run/netns/${name}`;
  const addresses = ['10.98.0.5', 'fd00:98::5'];
  let looker: NetnsLooker;

  before(async () => {
    for (const name of [own, other]) {
      await mustRun(['ip', 'netns', 'add', name]);
      await mustRun(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
    }
    for (const address of addresses)
      await mustRun([
        'ip',
        '-n',
        own,
        'address',
        'add',
        address,
        'dev',
        'lo',
        ...(address.includes(':') ? ['nodad'] : []),
      ]);
    looker = new NetnsLooker({ program: await nodeProgram('ambit-netns'), procRoot: '/proc', legacyTables: false });
  });

  after(async () => {
    looker[Symbol.dispose]();
    for (const name of [own, other]) await mustRun(['ip', 'netns', 'delete', name]);
  });

  function locatorTold(netnsPath: string): NetnsLocator {
    const told = new ToldPods();
    told.tell({ namespace: 'shop', name: 'web', uid: 'u1', netnsPath, addresses });
    return new NetnsLocator({ looker, told, hostRoot: '', trustsAnnotation: true, processes: undefined });
  }

  test('is the one that holds every address of the pod', async () => {
    using netns = await locatorTold(path(own)).locate(pod(addresses), true);
    assert.match(netns?.id ?? '', /^\d+:\d+$/);
  });

  test("is not another pod's, not the node's, and not one that lacks an address", async () => {
    const isWrong = { code: 'NETNS_NOT_THE_PODS', retryable: true };
    await assert.rejects(locatorTold(path(other)).locate(pod(addresses), true), isWrong);
    await assert.rejects(locatorTold('/proc/self/ns/net').locate(pod(addresses), true), isWrong);
    const locator = locatorTold(path(own));
    await assert.rejects(locator.locate(pod([...addresses, '10.98.0.6']), true), isWrong);
    using netns = await locator.locate(pod(addresses), true);
    assert.ok(netns);
    await assert.rejects(locator.locate(pod(['10.98.0.6']), false), isWrong, 'a changed address is looked for anew');
  });

  test('of a starting pod is what the runtime told, and nothing that is left of an older sandbox', async () => {
    const older = pod(addresses, { 'ambit.dev/netns': path(own) });
    const locator = locatorTold('/run/netns/not-there');
    assert.equal(await locator.locate(older, true), undefined);
    using netns = await locator.locate(older, false);
    assert.ok(netns);
  });
});
