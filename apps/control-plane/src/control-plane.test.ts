import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writePodStatus } from '@ambit/kube';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from '@ambit/xds';
import {
  root,
  manifests,
  status,
  published,
  node,
  write,
  pod,
  service,
  policy,
  token,
  start,
  Client,
  webUid,
  webService,
} from './testing/folder-mesh.ts';

test('an edit of the folder reaches a client as a delta, the policy before the workload that names it', async () => {
  write('web.yaml', `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.1')}`);
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  assert.deepEqual((await client.next(2)).toSorted(), ['wads', `wds +${webUid} +${webService}`]);
  write('policy.yaml', policy('deny', 'web', 'DENY'));
  assert.deepEqual(await client.next(2), ['wads +shop/deny', `wds +${webUid}`]);
  rmSync(join(manifests, 'policy.yaml'));
  assert.deepEqual(await client.next(2), [`wds +${webUid}`, 'wads -shop/deny']);
  assert.deepEqual(published.map((entry) => JSON.stringify(entry)).slice(-1), [
    '["config.published",{"generation":3,"changed":1,"removed":1,"replica":"control-plane"}]',
  ]);
});

test('discovery selectors leave namespaces out until their labels say otherwise; an empty list leaves out none', async () => {
  write('web.yaml', pod('web', '10.0.0.2'));
  const namespace = (stage: string): string =>
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { stage: ${stage} } }\n`;
  write('namespace.yaml', namespace('test'));
  const selectors = '[{"matchLabels":{"stage":"live"}},{"matchExpressions":[{"key":"mesh","operator":"Exists"}]}]';
  await using running = await start({ AMBIT_DISCOVERY_SELECTORS: selectors });
  using client = new Client(running.port, await token());
  client.subscribe();
  assert.deepEqual((await client.next(2)).toSorted(), ['wads', 'wds']);
  write('namespace.yaml', namespace('live'));
  assert.deepEqual(await client.next(1), [`wds +${webUid}`]);
  write('namespace.yaml', namespace('test'));
  assert.deepEqual(await client.next(1), [`wds -${webUid}`]);
  await using everything = await start({ AMBIT_DISCOVERY_SELECTORS: '[]', AMBIT_STATE_DIR: join(root, 'other') });
  using other = new Client(everything.port, await token());
  other.subscribe();
  assert.deepEqual((await other.next(2)).toSorted(), ['wads', `wds +${webUid}`]);
});

test('deleting a service re-sends the workloads that lost it, deleting a pod gives just its UID', async () => {
  write('web.yaml', pod('web', '10.0.0.2', 'app: web'));
  write('service.yaml', service('web', '10.96.0.1'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  rmSync(join(manifests, 'service.yaml'));
  assert.deepEqual(await client.next(1), [`wds +${webUid} -${webService}`]);
  rmSync(join(manifests, 'web.yaml'));
  assert.deepEqual(await client.next(1), [`wds -${webUid}`]);
});

test('a change that alters nothing that is sent pushes nothing; the next real one comes alone', async () => {
  write('web.yaml', pod('web', '10.0.0.2', 'app: web'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  write('web.yaml', `# a comment\n${pod('web', '10.0.0.2', 'app: web', 'unrelated: annotation')}`);
  write('other.yaml', 'apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: web, namespace: shop }\n');
  write('api.yaml', pod('api', '10.0.0.3'));
  assert.deepEqual(await client.next(1), ['wds +Kubernetes//Pod/shop/api']);
});

test('the annotation in the status folder turns a workload to HBONE', async () => {
  write('web.yaml', pod('web', '10.0.0.2'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  writePodStatus(status, 'shop', 'web', 'cni', { annotations: { 'ambient.istio.io/redirection': 'enabled' } });
  assert.deepEqual(await client.next(1), [`wds +${webUid}`]);
  const config: unknown = await (await fetch(`http://127.0.0.1:${running.httpPort}/debug/config`)).json();
  assert.match(JSON.stringify(config), /"tunnelProtocol":"HBONE"/);
});

test('a client that reconnects with its versions, also to a restarted server, gets only what changed and what is gone', async () => {
  write(
    'web.yaml',
    `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.1')}---\n${pod('gone', '10.0.0.4')}`,
  );
  let held: Map<string, string>;
  {
    await using running = await start();
    using client = new Client(running.port, await token());
    client.subscribe();
    await client.next(2);
    held = client.versions();
    assert.equal(held.size, 3);
    using again = new Client(running.port, await token());
    again.subscribe(held);
    assert.deepEqual((await again.next(2)).toSorted(), ['wads', 'wds']);
  }
  write('web.yaml', `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.2')}`);
  await using restarted = await start();
  using client = new Client(restarted.port, await token());
  client.subscribe(held);
  assert.deepEqual((await client.next(2)).toSorted(), ['wads', `wds +${webService} -Kubernetes//Pod/shop/gone`]);
});

test('trap 3: a reconnect that names 60,000 resources, more than 4 MiB of them, is answered in one message', async () => {
  const held = new Map(
    Array.from({ length: 60_000 }, (_, i) => [`Kubernetes//Pod/a-namespace-of-some-length/deployment-${i}`, `${i}`]),
  );
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe(held);
  await client.until(() => client.responses.length >= 2, 60_000);
  const removed = client.responses.map(({ removedResources }) => removedResources.length).toSorted((a, b) => a - b);
  assert.deepEqual(removed, [0, 60_000]);
});

test('trap 7: an on-demand client finds a service by its address, with its endpoints, and is told what does not exist', async () => {
  write(
    'web.yaml',
    `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.1')}---\n${pod('api', '10.0.0.3').replace('node1', 'node2')}`,
  );
  await using running = await start();
  using client = new Client(running.port, await token());
  client.send({ node, typeUrl: WDS, subscribe: ['*'], unsubscribe: ['*'] });
  client.send({ typeUrl: WADS });
  assert.deepEqual(
    (await client.next(2)).toSorted(),
    ['wads', `wds +${webUid}`],
    'workloads of the own node come unasked',
  );
  client.send({ typeUrl: WDS, subscribe: ['/10.96.0.1'] });
  const [found = ''] = await client.next(1);
  assert.match(found, new RegExp(`\\+${webService.replaceAll('.', '\\.')}`));
  client.send({ typeUrl: WDS, subscribe: ['/10.0.0.3', '/10.9.9.9'] });
  assert.deepEqual(await client.next(1), ['wds +Kubernetes//Pod/shop/api -/10.9.9.9']);
  assert.deepEqual(client.responses.at(-1)?.resources[0]?.aliases, ['/10.0.0.3']);
});

test('trap 42: callers without a good token, or of another namespace than their node says, are refused', async () => {
  await using running = await start();
  using nobody = new Client(running.port, 'a.b.c');
  nobody.subscribe();
  await nobody.until(() => nobody.error !== undefined);
  assert.deepEqual([nobody.error?.code, nobody.error?.details], [16, 'authentication failure']);
  using stranger = new Client(running.port, await token('shop'));
  stranger.subscribe();
  await stranger.until(() => stranger.error !== undefined);
  assert.equal(stranger.error?.code, 7);
});
