/** Whatever client, backend and clock do, and in whatever order: one end, one record, nothing kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { access } from '@ambit/api';
import { ExchangeError } from '@ambit/exchange';
import fc from 'fast-check';

import type { FakeServerExchange } from './test-support/fake-server-exchange.ts';
import { type FakeAttempt, FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, type LabOptions, service } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const backend = (hostname: string): object => ({ namespace: 'shop', hostname, port: 80 });
const route = {
  name: 'r',
  action: forwardTo('main'),
  timeout: { seconds: 5n },
  retries: { maxRetries: 2, conditions: ['5xx', 'reset', 'connect-failure'], perTryTimeout: { seconds: 2n } },
  mirrors: [{ backend: backend('copy'), perMillion: 1_000_000 }],
  fault: { delay: { nanos: 500_000_000 }, delayPerMillion: 300_000, abortStatus: 418, abortPerMillion: 100_000 },
};
const asked = {
  name: 'ask',
  namespace: 'shop',
  hostname: 'auth',
  port: 80,
  maxBodyBytes: 10,
  allowPartialBody: true,
  timeout: { seconds: 3n },
};

function options(isAsked: boolean, random: () => number): LabOptions {
  const policy = {
    namespace: 'shop',
    name: 'c',
    action: access.AuthorizationPolicy_Action.CUSTOM,
    provider: 'ask',
    rules: [{}],
  };
  return {
    proxy: {
      providers: [{ ...asked, protocol: { case: 'http', value: {} } }] as never,
      handling: { streamIdleTimeout: { seconds: 9n } },
    },
    access: { policies: isAsked ? [policy] : [] },
    ports: [{ port: 80, httpRoutes: [route as never] }],
    destinations: [service('main'), service('copy'), service('auth')],
    upstreams: new FakeUpstreams({ endpoints: { 'shop/main/80/': ['a', 'b'] } }),
    copyBytes: 200_000,
    random,
  };
}

const isLive = (attempt: FakeAttempt): boolean =>
  !attempt.isAborted && !attempt.isCanceled && attempt.result === undefined;

/** What may happen next. Illegal ones are left out by looking at the state, as real connections would. */
const steps = [
  'body',
  'end',
  'leave',
  'writable',
  'full',
  'connect',
  'refuse',
  'head',
  'error',
  'answer-body',
  'answer-end',
  'break',
  'inform',
  'time',
] as const;

class Play {
  readonly lab: Lab;
  readonly client: FakeServerExchange;
  readonly #answered = new Set<FakeAttempt>();
  #isRequestEnded: boolean;
  isGone = false;

  constructor(lab: Lab, isUpgrade: boolean, hasBody: boolean) {
    this.lab = lab;
    this.#isRequestEnded = !hasBody && !isUpgrade;
    this.client = lab.request(isUpgrade ? { upgrade: 'websocket' } : { method: 'POST', hasBody });
  }

  step(step: (typeof steps)[number], pick: number): void {
    const { client, lab } = this;
    const live = lab.upstreams.attempts.filter(isLive);
    const attempt = live[pick % Math.max(live.length, 1)];
    const mayClient = !this.isGone && !client.isAborted;
    if (step === 'time') return lab.timers.advance(700);
    if (step === 'full') {
      client.isWritable = false;
      return;
    }
    if (step === 'writable') {
      client.isWritable = true;
      if (mayClient && client.answer !== undefined && !client.isEnded) client.user.onWritable();
      for (const one of live) if (!one.isWritable) one.becomeWritable();
      return;
    }
    if (step === 'body' || step === 'end' || step === 'leave')
      return mayClient ? this.#clientStep(step, pick) : undefined;
    if (attempt !== undefined) this.#backendStep(step, attempt);
  }

  #clientStep(step: 'body' | 'end' | 'leave', pick: number): void {
    const { client } = this;
    if (step === 'leave') {
      // Most clients stay.
      if (pick > 1) return;
      this.isGone = true;
      return client.leave(new ExchangeError('lost', 'gone'));
    }
    const isUnanswered = client.head.upgrade !== undefined && client.status !== 101;
    if (this.#isRequestEnded || isUnanswered || client.isPaused) return;
    if (step === 'body') return client.sendBody('x'.repeat((pick % 7) * 9000));
    this.#isRequestEnded = true;
    client.sendEnd();
  }

  #backendStep(step: (typeof steps)[number], attempt: FakeAttempt): void {
    const isConnected = attempt.sent !== undefined;
    const isAnswered = this.#answered.has(attempt);
    if (!isConnected) {
      if (step === 'connect') attempt.connect();
      if (step === 'refuse') attempt.failToConnect();
      return;
    }
    if (step === 'break') return attempt.break('lost');
    if (!isAnswered) {
      if (step === 'inform' && this.client.answer === undefined) attempt.inform(103);
      if (step !== 'head' && step !== 'error') return;
      this.#answered.add(attempt);
      attempt.respond(step === 'error' ? 503 : this.client.head.upgrade === undefined ? 200 : 101);
      return;
    }
    if (step === 'answer-body' && !attempt.isPaused) attempt.sendBody('y'.repeat(100));
    if (step === 'answer-end') attempt.sendEnd();
  }
}

test('one end, one record and nothing kept, whatever happens in whatever order', () => {
  const seen = { answered: 0, cut: 0, retried: 0, upgraded: 0 };
  fc.assert(
    fc.property(
      fc.record({ isAsked: fc.boolean(), isUpgrade: fc.boolean(), hasBody: fc.boolean(), seed: fc.nat() }),
      fc.array(fc.tuple(fc.constantFrom(...steps), fc.nat(20)), { minLength: 20, maxLength: 80 }),
      ({ isAsked, isUpgrade, hasBody, seed }, script) => {
        let draw = seed;
        const random = (): number => (draw = (draw * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
        const lab = new Lab(options(isAsked, random));
        const play = new Play(lab, isUpgrade, hasBody);
        for (const [step, pick] of script) play.step(step, pick);
        // Everything has a limit: the client leaves at last, mirrors run out of time.
        const wasCut = play.client.isAborted && !play.isGone;
        play.step('leave', 0);
        lab.timers.advance(100_000);
        lab.assertNothingHeld();
        assert.equal(lab.ended.length, 1);
        assert.ok(lab.record.endMs >= lab.record.startMs);
        assert.notEqual(lab.record.details, undefined);
        const { status } = lab.record;
        assert.equal(status, play.client.status ?? 0);
        if (status === 0) assert.match(lab.record.flags, /DC/);
        if (play.client.isEnded) seen.answered += 1;
        if (wasCut) seen.cut += 1;
        if (lab.record.attempts > 1) seen.retried += 1;
        if (status === 101) seen.upgraded += 1;
      },
    ),
    { seed: 42, numRuns: 3000 },
  );
  // The test means something only if the plays went far.
  assert.ok(seen.answered > 500 && seen.cut > 50 && seen.retried > 50 && seen.upgraded > 50, JSON.stringify(seen));
});
