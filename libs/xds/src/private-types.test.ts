import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanResponse } from './delta-response.ts';
import { DeltaSession } from './delta-session.ts';
import { ResourceStore } from './resource-store.ts';
import { ResponseEncoder } from './response-encoder.ts';
import type { SubscriptionRequest } from './subscription.ts';
import type { XdsNode } from './xds-node.ts';

const SECRET = 'type.googleapis.com/test.Secret';
const node: XdsNode = {
  id: 'waypoint~10.0.0.1~w.ns~ns.svc.cluster.local',
  kind: 'waypoint',
  addresses: ['10.0.0.1'],
  namespace: 'ns',
  serviceAccount: '',
  nodeName: 'n1',
  metadata: {},
};

/** A session of a store with a private type, and what its client received. */
function open(mayRead?: (typeUrl: string, name: string) => boolean) {
  const store = new ResourceStore([
    { typeUrl: SECRET, version: (value) => Buffer.from(value).toString('hex'), removals: 'last', isPrivate: true },
  ]);
  const received: { names: readonly string[]; removed: readonly string[] }[] = [];
  const session = new DeltaSession({
    store,
    encoder: new ResponseEncoder({ store, nonceSource: 's', systemVersion: () => 'v' }),
    resolver: {
      resolve: (typeUrl, name) => (store.get(typeUrl, name) === undefined ? [] : [{ name, aliases: [] }]),
      implied: () => [],
    },
    node,
    sink: {
      write: ({ message }) => {
        const response = scanResponse(message);
        received.push({ names: [...response.resources()].map(({ name }) => name), removed: response.removed });
        return true;
      },
    },
    observer: {},
    ...(mayRead === undefined ? {} : { mayRead }),
  });
  session.release();
  const set = (name: string, text: string): void =>
    store.apply([{ typeUrl: SECRET, set: [{ name, value: Buffer.from(text) }] }]);
  const ask = (request: Partial<SubscriptionRequest>): typeof received => {
    const empty = { unsubscribe: [], subscribe: [], initialVersions: new Map(), nonce: '', error: undefined };
    session.receive({ typeUrl: SECRET, ...empty, ...request });
    session.flush();
    return received.splice(0);
  };
  const push = (): typeof received => {
    session.flush();
    return received.splice(0);
  };
  return { set, ask, push };
}

test('a stream gets the private resources it may read, and hears of others as if they did not exist', () => {
  const { set, ask, push } = open((_typeUrl, name) => name.startsWith('mine/'));
  set('mine/a', '1');
  set('other/b', '1');
  assert.deepEqual(ask({ subscribe: ['mine/a', 'other/b'] }), [
    { names: ['mine/a'], removed: [] },
    { names: [], removed: ['other/b'] },
  ]);
  set('mine/a', '2');
  set('other/b', '2');
  assert.deepEqual(push(), [{ names: ['mine/a'], removed: [] }]);
});

test('all of a private type, asked for in any way, is nothing', () => {
  for (const request of [{}, { subscribe: ['*'] }, { subscribe: ['*', 'mine/a'] }]) {
    const { set, ask, push } = open((_typeUrl, name) => name.startsWith('mine/'));
    set('mine/a', '1');
    set('other/b', '1');
    const wanted = 'subscribe' in request && request.subscribe.includes('mine/a') ? ['mine/a'] : [];
    assert.deepEqual(ask(request), [{ names: wanted, removed: [] }]);
    set('other/b', '2');
    assert.deepEqual(push(), []);
  }
});

test('a stream of which nobody said what it may read gets nothing of a private type', () => {
  const { set, ask } = open();
  set('mine/a', '1');
  assert.deepEqual(
    ask({ subscribe: ['mine/a'] }).flatMap(({ names }) => names),
    [],
  );
});
