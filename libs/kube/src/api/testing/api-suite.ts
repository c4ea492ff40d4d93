/** What the client, the source and the election do against any API server: one in memory, and real ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlainObject } from '../../object-reader.ts';
import { resourceKey } from '../../resource.ts';
import { type ApiKind, apiKinds, rawKinds } from '../api-kind.ts';
import { ApiServerSource, type ApiServerSourceOptions, type KindSelection } from '../api-server-source.ts';
import type { KubeClient } from '../kube-client.ts';
import { KubeError } from '../kube-error.ts';
import { LeaderElection } from '../leader-election.ts';
import { readRaw, Reflector, type ReflectorClient } from '../reflector.ts';
import { eventually } from './eventually.ts';
import type { TcpRelay } from '@ambit/testing';

/** An API server with an empty namespace. */
export interface ApiRig extends AsyncDisposable {
  readonly namespace: string;
  /** Straight to the server. */
  readonly direct: KubeClient;
  /** Through the relay. */
  readonly client: KubeClient;
  readonly relay: TcpRelay;
}

const times: ApiServerSourceOptions['times'] = { backoff: { initialMs: 10, maxMs: 100 }, missingPollMs: 100 };
const spec = (port: number): PlainObject => ({ ports: [{ port }] });

async function put(rig: ApiRig, name: string, port: number, labels: PlainObject = {}): Promise<void> {
  const ref = { kind: apiKinds.Service, namespace: rig.namespace, name };
  await rig.direct.apply(ref, { metadata: { labels }, spec: spec(port) }, { fieldManager: 'test', force: true });
}

async function remove(rig: ApiRig, name: string): Promise<void> {
  await rig.direct.delete({ kind: apiKinds.Service, namespace: rig.namespace, name });
}

interface Watched extends AsyncDisposable {
  readonly source: ApiServerSource;
  /** Batches of events, as `kind name`. */
  readonly batches: string[][];
  names(): string[];
}

async function follow(
  rig: ApiRig,
  client: ReflectorClient = rig.client,
  selection: Partial<KindSelection> = {},
  more: ApiServerSourceOptions['times'] = {},
): Promise<Watched> {
  const kinds = [{ kind: 'Service' as const, namespace: rig.namespace, ...selection }];
  const source = new ApiServerSource({ client, kinds, times: { ...times, ...more } });
  const batches: string[][] = [];
  await source.start();
  source.subscribe((events) =>
    batches.push(
      events.map((event) => {
        const key = resourceKey(event.kind === 'delete' ? event.previous : event.resource);
        return `${event.kind} ${key.slice(key.indexOf('/') + 1)}`;
      }),
    ),
  );
  const names = (): string[] => source.list('Service').map(({ metadata }) => metadata.name);
  return { source, batches, names, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
}

/** The next watch that wants to go on begins at a version that was forgotten long ago. */
function forgetful(client: KubeClient): ReflectorClient & { forgets: boolean } {
  return {
    forgets: false,
    listPage: (kind, options) => client.listPage(kind, options),
    getPath: (path, options) => client.getPath(path, options),
    watch(kind, options) {
      const isHit = this.forgets && options.resourceVersion !== undefined;
      if (isHit) this.forgets = false;
      return client.watch(kind, isHit ? { ...options, resourceVersion: '1' } : options);
    },
  };
}

/** An API server without streaming lists. */
function withoutStreams(client: KubeClient): ReflectorClient & { pages: number } {
  return {
    pages: 0,
    listPage(kind, options) {
      this.pages += 1;
      return client.listPage(kind, { ...options, limit: 2 });
    },
    getPath: (path, options) => client.getPath(path, options),
    watch(kind, options) {
      if (options.sendInitialEvents === true) throw new KubeError('INVALID', 'sendInitialEvents is forbidden');
      return client.watch(kind, options);
    },
  };
}

/** Defines the tests; `makeRig` is called once for each. */
export function describeApiServer(name: string, makeRig: () => Promise<ApiRig>): void {
  test(`${name}: objects are created, read, replaced, patched, listed in pages and deleted`, async () => {
    await using rig = await makeRig();
    const { client, namespace } = rig;
    const kind = rawKinds.ConfigMap;
    const ref = { kind, namespace, name: 'one' };
    assert.equal(await client.get(ref), undefined);
    const made = await client.create(kind, { metadata: { namespace, name: 'one' }, data: { a: '1' } });
    await assert.rejects(client.create(kind, { metadata: { namespace, name: 'one' } }), {
      code: 'CONFLICT',
      reason: 'AlreadyExists',
    });
    assert.ok(typeof made === 'object' && made !== null);
    await client.replace(ref, { ...made, data: { a: '2' } });
    await assert.rejects(client.replace(ref, { ...made, data: { a: '3' } }), { code: 'CONFLICT' });
    await client.patch(ref, { data: { b: '4' } });
    await client.create(kind, { metadata: { namespace, name: 'two' } });
    await client.create(kind, { metadata: { namespace, name: 'three' } });
    const all = await client.list(kind, { namespace, limit: 1, fieldSelector: 'metadata.name!=kube-root-ca.crt' });
    assert.deepEqual(
      all.map(({ data = {} }) => data).filter((data) => JSON.stringify(data) !== '{}'),
      [{ a: '2', b: '4' }],
    );
    assert.equal(all.length, 3);
    assert.deepEqual([await client.delete(ref), await client.delete(ref)], [true, false]);
    await assert.rejects(client.list({ ...kind, group: 'nothing.example', plural: 'nothings' }), { code: 'NOT_FOUND' });
  });

  test(`${name}: a broken connection is resumed without a new list, and what happened meanwhile is told`, async () => {
    await using rig = await makeRig();
    await put(rig, 'a', 1);
    await put(rig, 'b', 2);
    await using watched = await follow(rig);
    await rig.relay.close();
    await remove(rig, 'a');
    await put(rig, 'c', 3);
    assert.deepEqual(watched.names(), ['a', 'b']);
    await rig.relay.open();
    await eventually(
      () => watched.batches.flat().length === 2,
      () => watched.batches,
    );
    assert.deepEqual(watched.batches.flat(), ['delete a', 'add c']);
    assert.equal(watched.source.status().get('Service')?.lists, 1);
  });

  test(`${name}: an API server that is away leaves the state as it was`, async () => {
    await using rig = await makeRig();
    await put(rig, 'a', 1);
    await using watched = await follow(rig);
    await rig.relay.close();
    const failures = (): number => watched.source.status().get('Service')?.failures ?? 0;
    await eventually(() => failures() >= 5, failures);
    assert.deepEqual([watched.names(), watched.batches], [['a'], []]);
    assert.equal(watched.source.status().get('Service')?.state, 'broken');
    await rig.relay.open();
    await put(rig, 'b', 2);
    await eventually(() => watched.names().includes('b'), watched.names);
    assert.equal(watched.source.status().get('Service')?.state, 'watching');
  });

  test(`${name}: without streaming lists the pages of a plain list do`, async () => {
    await using rig = await makeRig();
    for (const [index, service] of ['a', 'b', 'c', 'd', 'e'].entries()) await put(rig, service, index + 1);
    const client = withoutStreams(rig.client);
    await using watched = await follow(rig, client);
    assert.deepEqual([watched.names(), client.pages], [['a', 'b', 'c', 'd', 'e'], 3]);
    await remove(rig, 'c');
    await eventually(
      () => watched.batches.length > 0,
      () => watched.batches,
    );
    assert.deepEqual(watched.batches, [['delete c']]);
  });

  test(`${name}: a connection on which nothing comes is given up`, async () => {
    await using rig = await makeRig();
    await put(rig, 'a', 1);
    await using watched = await follow(rig, rig.client, {}, { inactivityMs: 300 });
    rig.relay.freeze();
    await put(rig, 'b', 2);
    await eventually(() => watched.names().includes('b'), watched.names);
    assert.ok((watched.source.status().get('Service')?.failures ?? 0) >= 1);
  });

  test(`${name}: a watch that ends in time is resumed without a gap`, async () => {
    await using rig = await makeRig();
    await using watched = await follow(rig, rig.client, {}, { watchMs: 500 });
    const watches = (): number => watched.source.status().get('Service')?.watches ?? 0;
    for (let index = 0; index < 20; index += 1) await put(rig, `s${index}`, index + 1);
    await eventually(() => watches() >= 3, watches);
    await put(rig, 'last', 99);
    await eventually(() => watched.names().length === 21, watched.names);
    assert.equal(new Set(watched.batches.flat()).size, watched.batches.flat().length);
    assert.equal(watched.source.status().get('Service')?.lists, 1);
  });

  test(`${name}: one replica leads, and when it stops the next one does at once`, async () => {
    await using rig = await makeRig();
    const stops = [new AbortController(), new AbortController()];
    const log: string[] = [];
    const run = (index: number): Promise<void> =>
      electionOf(rig.direct, rig, `r${index}`).run(stops[index]?.signal ?? AbortSignal.abort(), async (term) => {
        log.push(`r${index} leads`);
        await aborted(term);
        log.push(`r${index} ends`);
      });
    const first = run(0);
    await eventually(() => log.length === 1);
    const second = run(1);
    stops[0]?.abort();
    await first;
    await eventually(
      () => log.length === 3,
      () => log,
    );
    assert.deepEqual(log, ['r0 leads', 'r0 ends', 'r1 leads']);
    stops[1]?.abort();
    await second;
  });

  test(`${name}: a leader that cannot renew has stopped before another one leads`, async () => {
    await using rig = await makeRig();
    const stop = new AbortController();
    const log: string[] = [];
    const work = (replica: string) => async (term: AbortSignal) => {
      log.push(`${replica} leads`);
      await aborted(term);
      log.push(`${replica} ends`);
    };
    const cutOff = electionOf(rig.client, rig, 'cut').run(stop.signal, work('cut'));
    await eventually(() => log.length === 1);
    const other = electionOf(rig.direct, rig, 'other').run(stop.signal, work('other'));
    await rig.relay.close();
    await eventually(
      () => log.includes('other leads'),
      () => log,
    );
    assert.deepEqual(log, ['cut leads', 'cut ends', 'other leads']);
    await rig.relay.open();
    stop.abort();
    await Promise.all([cutOff, other]);
  });
}

/** The same for a kind whose history the server does not have: a definition that is younger than the server. */
export function describeExpiry(name: string, makeRig: () => Promise<ApiRig & { readonly kind: ApiKind }>): void {
  test(`${name}: after an expired version everything is listed again, with no deletion lost`, async () => {
    await using rig = await makeRig();
    const { kind, namespace, direct } = rig;
    const write = async (object: string, value: number): Promise<void> => {
      await direct.apply({ kind, namespace, name: object }, { spec: { value } }, { fieldManager: 'test' });
    };
    for (const [index, object] of ['a', 'b', 'c'].entries()) await write(object, index);
    const client = forgetful(rig.client);
    const batches: string[][] = [];
    const reflector = new Reflector({
      client,
      kind,
      selection: { namespace },
      read: readRaw,
      onChanges: (changes) => batches.push(changes.map(({ kind: what, key }) => `${what} ${key.replace(/.*\//, '')}`)),
      backoff: { initialMs: 10, maxMs: 100 },
    });
    const stop = new AbortController();
    const running = reflector.run(stop.signal).catch(() => undefined);
    await reflector.synced;
    await rig.relay.close();
    await direct.delete({ kind, namespace, name: 'a' });
    await write('b', 22);
    await write('d', 4);
    client.forgets = true;
    await rig.relay.open();
    await eventually(
      () => batches.length > 1,
      () => [batches, reflector.status],
    );
    stop.abort();
    await running;
    assert.deepEqual(batches, [
      ['set a', 'set b', 'set c'],
      ['delete a', 'set b', 'set d'],
    ]);
    assert.deepEqual([client.forgets, reflector.status.lists], [false, 2]);
  });
}

function electionOf(client: KubeClient, { namespace }: ApiRig, identity: string): LeaderElection {
  const short = { leaseMs: 1_500, renewDeadlineMs: 800, retryMs: 100 };
  return new LeaderElection({ client, namespace, name: 'election', identity, ...short });
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
