import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeltaServerObserver, DeltaSession, MAX_TYPES } from './delta-session.ts';
import { scanResponse } from './delta-response.ts';
import type { NameResolver } from './name-resolver.ts';
import { ResourceStore, ztunnelTypes } from './resource-store.ts';
import { ResponseEncoder } from './response-encoder.ts';
import type { SubscriptionRequest } from './subscription.ts';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from './type-url.ts';
import { XdsError } from './xds-error.ts';
import type { XdsNode } from './xds-node.ts';

const NODE: XdsNode = {
  id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local',
  kind: 'ztunnel',
  addresses: ['10.0.0.1'],
  namespace: 'ns',
  serviceAccount: '',
  nodeName: 'n1',
  metadata: {},
};

interface Got {
  readonly type: 'WDS' | 'WADS' | 'other';
  readonly names: readonly string[];
  readonly removed: readonly string[];
  readonly aliases: readonly string[];
  readonly versions: readonly string[];
  readonly nonce: string;
}

/** A store with one session, and what the peer has received. Versions are the text of the bytes, with a `v` before. */
class Rig {
  readonly store = new ResourceStore(ztunnelTypes((value) => `v${new TextDecoder().decode(value)}`));
  readonly received: Got[] = [];
  readonly nacks: string[] = [];
  readonly session: DeltaSession;
  accepts = true;

  constructor(resolver?: NameResolver) {
    const observer: DeltaServerObserver = { onNack: (_node, _type, _nonce, message) => this.nacks.push(message) };
    this.session = new DeltaSession({
      store: this.store,
      resolver: resolver ?? {
        resolve: (typeUrl, name) => (this.store.get(typeUrl, name) === undefined ? [] : [{ name, aliases: [] }]),
        implied: () => [],
      },
      node: NODE,
      sink: { write: ({ message }) => this.#write(message) },
      observer,
      encoder: new ResponseEncoder({ store: this.store, nonceSource: 's', systemVersion: () => 'v' }),
    });
    this.session.release();
  }

  #write(message: Uint8Array): boolean {
    const response = scanResponse(message);
    const resources = [...response.resources()];
    this.received.push({
      type: response.typeUrl === WDS ? 'WDS' : response.typeUrl === WADS ? 'WADS' : 'other',
      names: resources.map(({ name }) => name),
      removed: response.removed,
      aliases: resources.flatMap(({ aliases }) => aliases),
      versions: resources.map(({ version }) => version),
      nonce: response.nonce,
    });
    return this.accepts;
  }

  set(typeUrl: string, ...names: readonly string[]): void {
    const set = names.map((name) => ({ name, value: new TextEncoder().encode(`${name}@${this.store.generation}`) }));
    this.store.apply([{ typeUrl, set }]);
  }

  remove(typeUrl: string, ...names: readonly string[]): void {
    this.store.apply([{ typeUrl, remove: names }]);
  }

  /** Sends a request, lets the server take its turn, and returns what came. */
  ask(typeUrl: string, request: Partial<SubscriptionRequest> = {}): readonly Got[] {
    this.session.receive({
      typeUrl,
      subscribe: [],
      unsubscribe: [],
      initialVersions: new Map(),
      nonce: '',
      error: undefined,
      ...request,
    });
    return this.turn();
  }

  turn(): readonly Got[] {
    const before = this.received.length;
    this.session.flush();
    return this.received.slice(before);
  }
}

const brief = (got: readonly Got[]): readonly string[] =>
  got.map(({ type, names, removed }) => `${type} +[${names.join(' ')}] -[${removed.join(' ')}]`);

test('trap 1: the first request of a type is answered even when there is nothing to send', () => {
  const rig = new Rig();
  assert.deepEqual(brief(rig.ask(WADS)), ['WADS +[] -[]']);
  assert.deepEqual(brief(rig.ask('type.googleapis.com/unknown')), ['other +[] -[]']);
});

test('trap 2: an empty subscribe list and a star both mean everything', () => {
  for (const subscribe of [[], ['*']]) {
    const rig = new Rig();
    rig.set(WDS, 'a', 'b');
    assert.deepEqual(brief(rig.ask(WDS, { subscribe })), ['WDS +[a b] -[]']);
    rig.set(WDS, 'c');
    assert.deepEqual(brief(rig.turn()), ['WDS +[c] -[]']);
  }
});

test('the first request is answered whatever its nonce', () => {
  const rig = new Rig();
  rig.set(WDS, 'a');
  assert.deepEqual(brief(rig.ask(WDS, { nonce: 'invented' })), ['WDS +[a] -[]']);
});

test('trap 4: a reconnect brings only what changed and the names that are gone', () => {
  const rig = new Rig();
  rig.set(WDS, 'same', 'changed');
  const version = rig.store.get(WDS, 'same')?.version ?? '';
  const initialVersions = new Map([
    ['same', version],
    ['changed', 'old'],
    ['gone', 'old'],
  ]);
  assert.deepEqual(brief(rig.ask(WDS, { initialVersions })), ['WDS +[changed] -[gone]']);
});

test('trap 6: policies have no version and are always sent again', () => {
  const rig = new Rig();
  rig.set(WADS, 'ns/p');
  const [got] = rig.ask(WADS, { initialVersions: new Map([['ns/p', '']]) });
  assert.deepEqual([got?.names, got?.versions], [['ns/p'], ['']]);
});

test('trap 8: an ACK is not answered', () => {
  const rig = new Rig();
  rig.set(WDS, 'a');
  const [got] = rig.ask(WDS);
  assert.deepEqual(rig.ask(WDS, { nonce: got?.nonce ?? '' }), []);
});

test('trap 9: a NACK is recorded, not answered, and nothing is sent again', () => {
  const rig = new Rig();
  rig.set(WDS, 'a');
  const [got] = rig.ask(WDS);
  assert.deepEqual(rig.ask(WDS, { nonce: got?.nonce ?? '', error: 'a: bad' }), []);
  assert.deepEqual(rig.nacks, ['a: bad']);
  rig.set(WDS, 'b');
  assert.deepEqual(brief(rig.turn()), ['WDS +[b] -[]']);
});

test('trap 8: a stale nonce gets no answer and its subscribe list does not count', () => {
  const rig = new Rig();
  rig.set(WDS, 'a', 'b');
  const [first] = rig.ask(WDS, { subscribe: ['a'] });
  rig.set(WDS, 'a');
  rig.turn();
  assert.deepEqual(rig.ask(WDS, { nonce: first?.nonce ?? '', subscribe: ['b'] }), []);
  rig.set(WDS, 'b');
  assert.deepEqual(rig.turn(), []);
});

test('an ACK that adds names is answered with just these', () => {
  const rig = new Rig();
  rig.set(WDS, 'a', 'b');
  const [first] = rig.ask(WDS, { subscribe: ['a'] });
  const answer = rig.ask(WDS, { nonce: first?.nonce ?? '', subscribe: ['b'] });
  assert.deepEqual(brief(answer), ['WDS +[b] -[]']);
});

test('a spontaneous request without names gets no answer on a wildcard stream', () => {
  const rig = new Rig();
  rig.ask(WDS);
  assert.deepEqual(rig.ask(WDS), []);
});

test('a spontaneous request for an unknown name on a wildcard stream is told that it does not exist', () => {
  const rig = new Rig();
  rig.set(WDS, 'a');
  rig.ask(WDS);
  assert.deepEqual(brief(rig.ask(WDS, { subscribe: ['nope'] })), ['WDS +[] -[nope]']);
});

test('no push is sent when nothing changed, nor for equal bytes', () => {
  const rig = new Rig();
  const value = Uint8Array.of(1);
  rig.store.apply([{ typeUrl: WDS, set: [{ name: 'a', value }] }]);
  rig.ask(WDS);
  rig.store.apply([{ typeUrl: WDS, set: [{ name: 'a', value }], remove: ['never-there'] }]);
  assert.deepEqual(rig.turn(), []);
});

test('a push names what is gone', () => {
  const rig = new Rig();
  rig.set(WDS, 'a', 'b');
  rig.ask(WDS);
  rig.remove(WDS, 'a');
  assert.deepEqual(brief(rig.turn()), ['WDS +[] -[a]']);
});

test('trap 35: policies go out before the addresses that name them, and leave after', () => {
  const rig = new Rig();
  rig.set(WADS, 'ns/old');
  rig.ask(WDS);
  rig.ask(WADS);
  rig.store.apply([
    { typeUrl: WDS, set: [{ name: 'w', value: Uint8Array.of(1) }] },
    { typeUrl: WADS, set: [{ name: 'ns/new', value: Uint8Array.of(2) }], remove: ['ns/old'] },
  ]);
  assert.deepEqual(brief(rig.turn()), ['WADS +[ns/new] -[]', 'WDS +[w] -[]', 'WADS +[] -[ns/old]']);
});

test('the first addresses wait until the stream has asked for policies', () => {
  const rig = new Rig();
  const messages: string[] = [];
  const held = new DeltaSession({
    store: rig.store,
    resolver: { resolve: () => [], implied: () => [] },
    node: NODE,
    sink: {
      write: ({ message }) => {
        messages.push(scanResponse(message).typeUrl);
        return true;
      },
    },
    observer: {},
    encoder: new ResponseEncoder({ store: rig.store, nonceSource: 'h', systemVersion: () => '' }),
  });
  const request = { subscribe: [], unsubscribe: [], initialVersions: new Map(), nonce: '', error: undefined };
  held.receive({ typeUrl: WDS, ...request });
  held.flush();
  assert.deepEqual(messages, []);
  assert.equal(held.isHolding, true);
  held.receive({ typeUrl: WADS, ...request });
  held.flush();
  assert.deepEqual(messages, [WADS, WDS]);
});

test('a reader that takes no more gets one merged push when it does, and the order of the round holds', () => {
  const rig = new Rig();
  rig.ask(WDS);
  rig.ask(WADS);
  rig.accepts = false;
  rig.set(WADS, 'ns/a');
  rig.set(WDS, 'w1');
  assert.deepEqual(brief(rig.turn()), ['WADS +[ns/a] -[]']);
  for (let i = 0; i < 20; i += 1) rig.set(WDS, 'w2');
  rig.set(WDS, 'w3');
  rig.remove(WDS, 'w3');
  assert.deepEqual(rig.turn(), []);
  rig.accepts = true;
  const before = rig.received.length;
  rig.session.resume();
  assert.deepEqual(brief(rig.received.slice(before)), ['WDS +[w1] -[]', 'WDS +[w2] -[w3]']);
});

test('trap 2: subscribing to and leaving the star at once means nothing yet', () => {
  const rig = new Rig();
  rig.set(WDS, 'a');
  assert.deepEqual(brief(rig.ask(WDS, { subscribe: ['*'], unsubscribe: ['*'] })), ['WDS +[] -[]']);
  rig.set(WDS, 'a');
  assert.deepEqual(rig.turn(), []);
});

/** Workloads `uid-<ip>` answer to `/<ip>`; service `ns/s` brings all of them; `uid-local` is on every client's node. */
function aliasRig(): Rig {
  const rig: Rig = new Rig({
    resolve: (typeUrl, name) => {
      const names = [...rig.store.all(typeUrl).keys()];
      const found = names.filter((uid) => uid === name || `/${uid.replace('uid-', '')}` === name || name === 'ns/s');
      return found.map((uid) => ({
        name: uid,
        aliases: uid.startsWith('uid-') ? [`/${uid.replace('uid-', '')}`] : [],
      }));
    },
    implied: () => [{ name: 'uid-local', aliases: [] }],
  });
  return rig;
}
const onDemand = { subscribe: ['*'], unsubscribe: ['*'] };

test('trap 7: an on-demand name is answered with the real name and its aliases', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-1.1.1.1', 'uid-2.2.2.2');
  rig.ask(WDS, onDemand);
  const [got] = rig.ask(WDS, { subscribe: ['/1.1.1.1'] });
  assert.deepEqual([got?.names, got?.aliases, got?.removed], [['uid-1.1.1.1'], ['/1.1.1.1'], []]);
});

test('trap 7: an unknown on-demand name is reported as removed once, and pushed when it appears', () => {
  const rig = aliasRig();
  rig.ask(WDS, onDemand);
  assert.deepEqual(brief(rig.ask(WDS, { subscribe: ['/1.1.1.1'] })), ['WDS +[] -[/1.1.1.1]']);
  rig.set(WDS, 'uid-9.9.9.9');
  assert.deepEqual(rig.turn(), []);
  rig.set(WDS, 'uid-1.1.1.1');
  assert.deepEqual(brief(rig.turn()), ['WDS +[uid-1.1.1.1] -[]']);
});

test('asking again for a subscribed name gets no answer', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-1.1.1.1');
  rig.ask(WDS, onDemand);
  rig.ask(WDS, { subscribe: ['/1.1.1.1'] });
  assert.deepEqual(rig.ask(WDS, { subscribe: ['/1.1.1.1'] }), []);
});

test('the first on-demand answer holds the workloads of the own node', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-local', 'uid-1.1.1.1');
  assert.deepEqual(brief(rig.ask(WDS, onDemand)), ['WDS +[uid-local] -[]']);
});

test('a deleted resource behind an alias is gone under its own name only', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-1.1.1.1');
  rig.ask(WDS, onDemand);
  rig.ask(WDS, { subscribe: ['/1.1.1.1'] });
  rig.remove(WDS, 'uid-1.1.1.1');
  assert.deepEqual(brief(rig.turn()), ['WDS +[] -[uid-1.1.1.1]']);
});

test('an on-demand stream hears nothing of what it did not ask for', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-1.1.1.1');
  rig.ask(WDS, { ...onDemand });
  rig.set(WDS, 'uid-2.2.2.2');
  assert.deepEqual(rig.turn(), []);
});

test('trap 60: unsubscribing one name gets an empty answer and takes nothing else away', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-1.1.1.1', 'uid-2.2.2.2');
  rig.ask(WDS, onDemand);
  rig.ask(WDS, { subscribe: ['/1.1.1.1', '/2.2.2.2'] });
  assert.deepEqual(brief(rig.ask(WDS, { unsubscribe: ['/1.1.1.1'] })), ['WDS +[] -[]']);
  rig.set(WDS, 'uid-2.2.2.2');
  assert.deepEqual(brief(rig.turn()), ['WDS +[uid-2.2.2.2] -[]']);
});

test('on-demand names survive a reconnect through the remembered versions', () => {
  const rig = aliasRig();
  rig.set(WDS, 'uid-1.1.1.1', 'uid-2.2.2.2');
  const version = rig.store.get(WDS, 'uid-1.1.1.1')?.version ?? '';
  const initialVersions = new Map([
    ['uid-1.1.1.1', version],
    ['/1.1.1.1', ''],
    ['/2.2.2.2', ''],
    ['/3.3.3.3', ''],
  ]);
  assert.deepEqual(brief(rig.ask(WDS, { ...onDemand, initialVersions })), ['WDS +[uid-2.2.2.2] -[/3.3.3.3]']);
});

test('a stream that asks for too many types or over-long names is ended', () => {
  const rig = new Rig();
  assert.throws(
    () => rig.ask(WDS, { subscribe: ['x'.repeat(5_000)] }),
    (error) => error instanceof XdsError && error.code === 'TOO_MANY_NAMES',
  );
  for (let i = 0; i < MAX_TYPES; i += 1) rig.ask(`type${i}`);
  assert.throws(
    () => rig.ask('one more'),
    (error) => error instanceof XdsError && error.code === 'TOO_MANY_TYPES',
  );
});

test('nonces are unique within a stream', () => {
  const rig = new Rig();
  rig.ask(WDS);
  rig.ask(WADS);
  for (let i = 0; i < 5; i += 1) {
    rig.set(WDS, 'a');
    rig.turn();
  }
  assert.equal(new Set(rig.received.map(({ nonce }) => nonce)).size, 7);
});
