import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ManualClock } from '@ambit/runtime';
import {
  type CaClient,
  type CertificateEvent,
  CertificateManager,
  CertificateSigner,
  type SpiffeId,
  type WorkloadCertificate,
  acceptCaResponse,
  createKeyAndCsr,
  encodePem,
  makeSpiffeId,
  selfSignAuthority,
} from './index.ts';

const hourMs = 3_600_000;
const idOf = (serviceAccount: string): SpiffeId => makeSpiffeId({ trustDomain: 'td', namespace: 'ns', serviceAccount });
const a = idOf('a');
const b = idOf('b');

interface Call {
  readonly identity: SpiffeId;
  succeed(lifetimeMs?: number): Promise<WorkloadCertificate>;
  fail(message?: string): Promise<void>;
}

/** A CA whose answers the test gives by hand; each answer waits until the manager has taken it. */
function handCa(clock: ManualClock): { client: CaClient; calls: Call[]; openCalls(): string[] } {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const validity = { notBeforeMs: clock.wallTimeMs() - hourMs, notAfterMs: clock.wallTimeMs() + 1000 * hourMs };
  const root = selfSignAuthority({ publicKey: keys.publicKey, organization: 'td', ...validity }, keys.privateKey);
  const signer = new CertificateSigner(root, keys.privateKey);
  const calls: Call[] = [];
  const open = new Set<Call>();
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const client: CaClient = {
    fetchCertificate: (identity) => {
      const answer = Promise.withResolvers<WorkloadCertificate>();
      const call: Call = {
        identity,
        succeed: async (lifetimeMs = 24 * hourMs) => {
          open.delete(call);
          const request = createKeyAndCsr(identity);
          const now = clock.wallTimeMs();
          const leaf = signer.issueLeaf({
            publicKeyInfo: request.publicKeyInfo,
            altNames: { uris: [identity] },
            notBeforeMs: now,
            notAfterMs: now + lifetimeMs,
          });
          const chain = [encodePem('CERTIFICATE', leaf.der), encodePem('CERTIFICATE', root.der)];
          const certificate = acceptCaResponse(identity, chain, request, now);
          answer.resolve(certificate);
          await settled();
          return certificate;
        },
        fail: async (message = 'CA is down') => {
          open.delete(call);
          answer.reject(new Error(message));
          await settled();
        },
      };
      calls.push(call);
      open.add(call);
      return answer.promise;
    },
  };
  return { client, calls, openCalls: () => [...open].map((call) => call.identity) };
}

function setUp(options: { maxConcurrent?: number } = {}) {
  const clock = new ManualClock();
  const ca = handCa(clock);
  const manager = new CertificateManager({ client: ca.client, clock, random: () => 0.5, ...options });
  const events: CertificateEvent[] = [];
  manager.subscribe((event) => events.push(event));
  return { clock, ca, manager, events, kinds: () => events.map((event) => event.kind) };
}

test('a prefetched identity is available before the first connection', async () => {
  const { ca, manager, kinds } = setUp();
  manager.prefetch(a);
  assert.deepEqual(
    manager.statuses().map(({ state }) => state),
    ['Initializing'],
  );
  assert.equal(manager.get(a), undefined);
  const certificate = await ca.calls[0]!.succeed();
  assert.equal(manager.get(a), certificate);
  assert.equal(await manager.fetch(a), certificate);
  assert.deepEqual(
    manager.statuses().map(({ state }) => state),
    ['Available'],
  );
  assert.deepEqual(kinds(), ['available']);
  assert.equal(ca.calls.length, 1);
});

test('a certificate is renewed at half of its life and the old one serves until the new one is there', async () => {
  const { clock, ca, manager, kinds } = setUp();
  manager.prefetch(a);
  const first = await ca.calls[0]!.succeed(24 * hourMs);
  clock.advance(12 * hourMs - 1);
  assert.equal(ca.calls.length, 1);
  clock.advance(1);
  assert.equal(ca.calls.length, 2);
  assert.equal(manager.get(a), first);
  const second = await ca.calls[1]!.succeed();
  assert.equal(manager.get(a), second);
  assert.deepEqual(kinds(), ['available', 'available']);
});

test('a failed renewal keeps the old certificate until it expires, retrying with back-off', async () => {
  const { clock, ca, manager, kinds } = setUp();
  manager.prefetch(a);
  const first = await ca.calls[0]!.succeed(10_000);
  clock.advance(5000);
  await ca.calls[1]!.fail();
  assert.equal(manager.get(a), first);
  clock.advance(999);
  assert.equal(ca.calls.length, 2);
  clock.advance(1);
  await ca.calls[2]!.fail();
  clock.advance(2000);
  await ca.calls[3]!.fail();
  assert.equal(manager.get(a), first);
  // The next retry is brought forward to the moment of expiry.
  clock.advance(2000);
  assert.equal(ca.calls.length, 5);
  assert.equal(manager.get(a), undefined);
  await ca.calls[4]!.fail('still down');
  assert.deepEqual(kinds(), ['available', 'renewal-failed', 'renewal-failed', 'renewal-failed', 'unavailable']);
  assert.match(manager.statuses()[0]!.state, /^Unavailable: still down/);
  await assert.rejects(manager.fetch(a), { code: 'CERTIFICATE_UNAVAILABLE' });
});

test('with no certificate connections fail at once until a background retry succeeds', async () => {
  const { clock, ca, manager } = setUp();
  manager.prefetch(a);
  const waiting = assert.rejects(manager.fetch(a), { code: 'CERTIFICATE_UNAVAILABLE', retryable: true });
  await ca.calls[0]!.fail();
  await waiting;
  await assert.rejects(manager.fetch(a), { code: 'CERTIFICATE_UNAVAILABLE' });
  assert.equal(ca.calls.length, 1);
  clock.advance(1000);
  const certificate = await ca.calls[1]!.succeed();
  assert.equal(await manager.fetch(a), certificate);
});

test('back-off doubles from one second, stays within 20 % and never passes 150 seconds', async () => {
  for (const [random, factor] of [
    [0, 0.8],
    [0.5, 1],
  ] as const) {
    const clock = new ManualClock();
    const ca = handCa(clock);
    using manager = new CertificateManager({ client: ca.client, clock, random: () => random });
    manager.prefetch(a);
    for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 150, 150]) {
      const count = ca.calls.length;
      await ca.calls.at(-1)!.fail();
      clock.advance(seconds * 1000 * factor - 1);
      assert.equal(ca.calls.length, count, `${seconds} s: too early`);
      clock.advance(1);
      assert.equal(ca.calls.length, count + 1, `${seconds} s: too late`);
    }
  }
});

test('at most eight requests run at once', () => {
  const { ca, manager } = setUp();
  for (let index = 0; index < 20; index += 1) manager.prefetch(idOf(`w${index}`));
  assert.equal(ca.calls.length, 8);
});

test('a waiting connection is served before warm-up, and warm-up before renewal', async () => {
  const { clock, ca, manager } = setUp({ maxConcurrent: 1 });
  const [old, warm, urgent] = [idOf('old'), idOf('warm'), idOf('urgent')];
  manager.prefetch(old);
  await ca.calls[0]!.succeed(hourMs);
  manager.prefetch(a);
  clock.advance(hourMs / 2);
  manager.prefetch(warm);
  const wanted = manager.fetch(urgent);
  await ca.calls[1]!.succeed();
  await ca.calls[2]!.succeed();
  await ca.calls[3]!.succeed();
  assert.deepEqual(
    ca.calls.map((call) => call.identity),
    [old, a, urgent, warm, old],
  );
  assert.equal((await wanted).identity, urgent);
});

test('a connection that waits moves its identity up in the queue', async () => {
  const { ca, manager } = setUp({ maxConcurrent: 1 });
  manager.prefetch(idOf('first'));
  manager.prefetch(a);
  manager.prefetch(b);
  const wanted = manager.fetch(b);
  await ca.calls[0]!.succeed();
  assert.deepEqual(ca.openCalls(), [b]);
  await ca.calls[1]!.succeed();
  await wanted;
});

test('an identity is forgotten with its last reference only', async () => {
  const { clock, ca, manager, kinds } = setUp();
  manager.prefetch(a);
  manager.prefetch(a);
  await ca.calls[0]!.succeed();
  manager.forget(a);
  assert.ok(manager.get(a) !== undefined);
  manager.forget(a);
  assert.equal(manager.get(a), undefined);
  assert.deepEqual(manager.statuses(), []);
  assert.deepEqual(kinds(), ['available', 'forgotten']);
  clock.advance(48 * hourMs);
  assert.equal(ca.calls.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

test('an answer that comes after its identity was forgotten is thrown away', async () => {
  const { ca, manager, kinds } = setUp();
  manager.prefetch(a);
  const waiting = assert.rejects(manager.fetch(a), { code: 'IDENTITY_FORGOTTEN' });
  manager.forget(a);
  await waiting;
  manager.prefetch(a);
  await ca.calls[0]!.succeed();
  assert.equal(manager.get(a), undefined);
  const certificate = await ca.calls[1]!.succeed();
  assert.equal(manager.get(a), certificate);
  assert.deepEqual(kinds(), ['forgotten', 'available']);
});

test('an identity fetched on demand only is dropped when its renewal would be due', async () => {
  const { clock, ca, manager } = setUp();
  const wanted = manager.fetch(a);
  await ca.calls[0]!.succeed(hourMs);
  await wanted;
  clock.advance(hourMs / 2);
  assert.deepEqual(manager.statuses(), []);
  assert.equal(ca.calls.length, 1);
});

test('an aborted wait rejects with its reason and the fetch goes on for others', async () => {
  const { ca, manager } = setUp();
  const abort = new AbortController();
  const mine = manager.fetch(a, { signal: abort.signal });
  const theirs = manager.fetch(a);
  abort.abort(new Error('client left'));
  await assert.rejects(mine, /client left/);
  await ca.calls[0]!.succeed();
  assert.equal((await theirs).identity, a);
});

test('a certificate past its half life is not renewed in a tight loop', async () => {
  const { clock, ca, manager } = setUp();
  manager.prefetch(a);
  await ca.calls[0]!.succeed(1000);
  clock.advance(999);
  assert.equal(ca.calls.length, 1);
  clock.advance(1);
  assert.equal(ca.calls.length, 2);
});

test('disposing rejects waiters and leaves no timer', async () => {
  const { clock, ca, manager } = setUp();
  manager.prefetch(b);
  await ca.calls[0]!.succeed();
  const waiting = assert.rejects(manager.fetch(a), { code: 'IDENTITY_FORGOTTEN' });
  manager[Symbol.dispose]();
  await waiting;
  assert.equal(clock.pendingTimers, 0);
  await assert.rejects(manager.fetch(a), { code: 'IDENTITY_FORGOTTEN' });
});

test('no inspection, JSON or copy of a certificate, its events or the manager shows the key', async () => {
  const { ca, manager, events } = setUp();
  manager.prefetch(a);
  const certificate = await ca.calls[0]!.succeed();
  const secret = certificate.privateKeyPem.split('\n')[1]!;
  for (const value of [
    certificate,
    events,
    manager,
    manager.statuses(),
    structuredClone(Object.assign({}, certificate)),
  ]) {
    assert.ok(!inspect(value, { depth: 10, showHidden: true }).includes(secret));
    assert.ok(!(JSON.stringify(value) ?? '').includes(secret));
  }
});
