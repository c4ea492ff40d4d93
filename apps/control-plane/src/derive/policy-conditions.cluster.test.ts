/** What policies are told on a real API server: that they select nobody, and that keys cannot be fetched. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiKind, apiKinds } from '@ambit/kube';
import { oneReplica } from '../testing/replicas.ts';
import { at, noCluster, until } from '../testing/test-cluster.ts';

const skip = noCluster;

const one = oneReplica([], ({ cluster }) => cluster.installDefinition('requestauthentications', 'security.istio.io'));

/** Message of a condition of an object of shop that is False; undefined for none. */
async function saidOf(kind: ApiKind, name: string, type: string): Promise<string | undefined> {
  const object = await one.cluster.client.get(one.cluster.ref(kind, one.cluster.shop, name));
  for (let i = 0; at(object, 'status', 'conditions', i) !== undefined; i++) {
    const condition = at(object, 'status', 'conditions', i);
    if (at(condition, 'type') !== type) continue;
    assert.equal(at(condition, 'status'), 'False');
    assert.match(String(at(condition, 'lastTransitionTime')), /^\d{4}-/);
    return String(at(condition, 'message'));
  }
  return undefined;
}

test(
  'a selector that selects nobody is told on policies of both kinds, and no more with the first pod',
  { skip },
  async () => {
    const { shop } = one.cluster;
    const kinds = [apiKinds.AuthorizationPolicy, apiKinds.PeerAuthentication];
    for (const kind of kinds) {
      await one.cluster.apply(kind, shop, 'lonely', { spec: { selector: { matchLabels: { app: 'lonely' } } } });
      const said = await until(
        () => saidOf(kind, 'lonely', 'ambit.dev/SelectsWorkloads'),
        () => one.replica.lines.slice(-20),
      );
      assert.match(said, /the labels app=lonely at the moment/);
    }
    await one.cluster.runPod(shop, 'lonely-1', '10.1.0.7', { labels: { app: 'lonely' } });
    for (const kind of kinds)
      await until(
        async () => (await saidOf(kind, 'lonely', 'ambit.dev/SelectsWorkloads')) === undefined || undefined,
        () => one.replica.lines.slice(-20),
      );
  },
);

test('keys that cannot be fetched are told with host and reason', { skip }, async () => {
  const { shop } = one.cluster;
  const jwtRules = [{ issuer: 'a', jwksUri: 'http://127.0.0.1:1/keys?secret=1' }];
  await one.cluster.apply(apiKinds.RequestAuthentication, shop, 'tokens', { spec: { jwtRules } });
  const said = await until(
    () => saidOf(apiKinds.RequestAuthentication, 'tokens', 'ambit.dev/KeysFetched'),
    () => one.replica.lines.slice(-20),
  );
  assert.match(said, /^jwtRules\[0\]: keys cannot be fetched from 127\.0\.0\.1:1 \(.*\); every token of this issuer/);
  assert.doesNotMatch(said, /secret/);
});
