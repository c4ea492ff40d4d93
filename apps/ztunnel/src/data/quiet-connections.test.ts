import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveConnection, Traffic } from './pod-scope.ts';
import { QuietConnections } from './quiet-connections.ts';

class Fake implements LiveConnection {
  readonly direction = 'outbound';
  now: Traffic | undefined = { asked: 0, answered: 0 };
  traffic = (): Traffic | undefined => this.now;
  describe = (): undefined => undefined;
  updateCounters(): void {}
  abort(): void {}
}

test('a connection is quiet between an answer and the next request', () => {
  const connection = new Fake();
  const quiet = new QuietConnections();
  const look = (now: Traffic | undefined): boolean => {
    connection.now = now;
    return quiet.look([connection]).length === 1;
  };
  assert.equal(look({ asked: 10, answered: 10 }), false, 'nobody knows yet');
  assert.equal(look({ asked: 10, answered: 10 }), false, 'it may wait for an answer');
  assert.equal(look({ asked: 20, answered: 10 }), false, 'asks');
  assert.equal(look({ asked: 20, answered: 10 }), false, 'still waits');
  assert.equal(look({ asked: 20, answered: 30 }), false, 'is answered');
  assert.equal(look({ asked: 20, answered: 30 }), true, 'between two requests');
  assert.equal(look({ asked: 30, answered: 40 }), false, 'asks and is answered');
  assert.equal(look({ asked: 30, answered: 40 }), true);
});

test('what carries nothing yet is left alone', () => {
  const connection = new Fake();
  connection.now = undefined;
  const quiet = new QuietConnections();
  for (let turn = 0; turn < 3; turn += 1) assert.deepEqual(quiet.look([connection]), []);
});
