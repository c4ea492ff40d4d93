/** A status that is written costs nobody a second derivation; a change of the policy does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph, SourceCollection } from '@ambit/collections';
import { type AuthorizationPolicy, parseManifests, resourceName } from '@ambit/kube';
import { policy } from './test-support/trap-mesh.ts';
import { withoutStatus } from './without-status.ts';

function parsed(text: string): AuthorizationPolicy {
  const [resource] = parseManifests('test.yaml', text).resources;
  assert.ok(resource?.kind === 'AuthorizationPolicy');
  return resource;
}

test('readers are woken by what a policy says, not by what is said of it', () => {
  const graph = new Graph();
  const policies = new SourceCollection<AuthorizationPolicy>(graph, 'policies', resourceName);
  const woken: string[] = [];
  withoutStatus(graph, policies).listen((key) => woken.push(key));
  const first = parsed(policy('shop/p', 'selector: { matchLabels: { app: web } }'));
  const put = (value: AuthorizationPolicy): void => policies.set(value);
  put(first);
  assert.deepEqual(woken, ['shop/p']);
  const condition = {
    type: 'Accepted',
    status: 'True',
    reason: 'R',
    message: 'm',
    observedGeneration: 1,
    lastTransitionTime: undefined,
  };
  put({ ...first, status: { conditions: [condition] } });
  assert.deepEqual(woken, ['shop/p']);
  put(parsed(policy('shop/p', 'selector: { matchLabels: { app: other } }')));
  assert.deepEqual(woken, ['shop/p', 'shop/p']);
});
