/** What every transport must do, run against each implementation by its own test file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@ambit/testing';
import type { Envelope } from '../envelope.ts';
import { EventBus } from '../event-bus.ts';
import type { EventTransport } from '../event-transport.ts';

/** Two ends of one bus; the same object for a bus within one process. */
export interface TransportRig extends AsyncDisposable {
  readonly publisher: EventTransport;
  readonly subscriber: EventTransport;
}

const published = (generation: number) => ({ generation, changed: 1, removed: 0, replica: 'r' });
const denied = { node: 'n', policy: 'ns/p', reason: 'DENY', isLate: false };
const addresses = { sourceIdentity: '', sourceAddress: '1.1.1.1:1', destinationWorkload: 'w', destinationAddress: '' };

export function testTransport(name: string, open: () => Promise<TransportRig>, skip: string | false = false): void {
  const run = (title: string, body: (publisher: EventBus, subscriber: EventBus) => Promise<void>): void => {
    test(`${name}: ${title}`, { skip }, async () => {
      await using rig = await open();
      const publisher = new EventBus({ transport: rig.publisher, source: 'test/publisher', wallTimeMs: () => 7 });
      const subscriber = new EventBus({ transport: rig.subscriber, source: 'test/subscriber' });
      await eventually('both ends connect', () =>
        [publisher, subscriber].every(({ status }) => status.state === 'connected'),
      );
      await body(publisher, subscriber);
    });
  };

  /** Publishes until the subscription is known to work; a bus promises nothing about the moment it begins. */
  const warmUp = async (publisher: EventBus, isHeard: () => boolean): Promise<void> => {
    await eventually('the subscription begins', () => {
      publisher.publish('config.published', published(0));
      return isHeard();
    });
  };

  run('events arrive in order with source, time and payload', async (publisher, subscriber) => {
    const got: Envelope<'config.published'>[] = [];
    using _subscription = subscriber.subscribe('config.published', (envelope) => void got.push(envelope));
    await warmUp(publisher, () => got.length > 0);
    for (let i = 1; i <= 200; i += 1) publisher.publish('config.published', published(i));
    const real = (): Envelope<'config.published'>[] => got.filter(({ payload }) => payload.generation > 0);
    await eventually('all arrive', () => real().length === 200);
    assert.deepEqual(
      real().map(({ payload }) => payload.generation),
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    const last = real().at(-1);
    assert.deepEqual(
      [last?.event, last?.source, last?.wallTimeMs, last?.payload],
      ['config.published', 'test/publisher', 7, published(200)],
    );
  });

  run('a subscriber hears only its own event, and every key of a keyed one', async (publisher, subscriber) => {
    const heard: string[] = [];
    using _a = subscriber.subscribe('policy.denied', () => void heard.push('denied'));
    using _b = subscriber.subscribe('flow', ({ payload }) => void heard.push(payload.node));
    using _c = subscriber.subscribe('config.published', () => void heard.push('published'));
    await warmUp(publisher, () => heard.length > 0);
    heard.length = 0;
    const flow = { reporter: 'source' as const, bytesSent: 1, bytesReceived: 1, durationMs: 1, responseFlags: '-' };
    const names = { sourceWorkload: '', destinationIdentity: '', destinationService: '' };
    for (const node of ['n1.example.com', 'n2']) {
      publisher.publish('flow', { node, ...flow, ...names, ...addresses }, node);
    }
    publisher.publish('policy.denied', { ...denied, ...addresses });
    await eventually('all three arrive', () => heard.includes('denied'));
    assert.deepEqual(
      heard.filter((what) => what !== 'published'),
      ['n1.example.com', 'n2', 'denied'],
    );
  });

  run('nothing is delivered inside publish', async (publisher, subscriber) => {
    let count = 0;
    using _subscription = subscriber.subscribe('config.published', () => {
      count += 1;
    });
    await warmUp(publisher, () => count > 0);
    const before = count;
    publisher.publish('config.published', published(1));
    assert.equal(count, before);
    await eventually('it arrives later', () => count > before);
  });

  run('an ended subscription hears nothing more', async (publisher, subscriber) => {
    const heard: string[] = [];
    const first = subscriber.subscribe('config.published', () => void heard.push('first'));
    using _second = subscriber.subscribe('config.published', () => void heard.push('second'));
    await warmUp(publisher, () => heard.includes('first'));
    first[Symbol.dispose]();
    heard.length = 0;
    publisher.publish('config.published', published(1));
    await eventually('the other still hears', () => heard.includes('second'));
    assert.ok(!heard.includes('first'));
  });

  run('a handler that throws is counted and hurts nobody', async (publisher, subscriber) => {
    let heard = 0;
    using _a = subscriber.subscribe('config.published', () => {
      throw new Error('mine');
    });
    using _b = subscriber.subscribe('config.published', () => {
      heard += 1;
    });
    await warmUp(publisher, () => heard > 0);
    assert.ok(subscriber.status.failed > 0);
  });

  run('a payload outside its schema is counted and not sent', async (publisher) => {
    publisher.publish('config.published', { ...published(1), replica: 'x'.repeat(300) });
    assert.equal(publisher.status.failed, 1);
  });

  run('after the end publishing is counted as dropped', async (publisher) => {
    await publisher[Symbol.asyncDispose]();
    await publisher[Symbol.asyncDispose]();
    assert.equal(publisher.status.state, 'closed');
    const { dropped } = publisher.status;
    publisher.publish('config.published', published(1));
    assert.equal(publisher.status.dropped, dropped + 1);
  });
}
