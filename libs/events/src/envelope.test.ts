import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeEnvelope, encodeEnvelope, MAX_EVENT_BYTES } from './envelope.ts';
import { patternOf, subjectOf } from './event-catalogue.ts';
import { EventError } from './event-error.ts';
import { isSubject, matchesSubject } from './subject-pattern.ts';

const payload = { phase: 'added' as const, rootSha256: 'ab', trustDomain: 'cluster.local' };
const envelope = { event: 'root.rotated' as const, source: 'ca', wallTimeMs: 1, sequence: 2, payload };

test('an envelope comes back as it was, without fields its schema does not know', () => {
  assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), envelope);
  const extended = Buffer.from(JSON.stringify({ ...envelope, payload: { ...payload, later: 1 }, extra: true }));
  assert.deepEqual(decodeEnvelope(extended), envelope);
});

test('what is not an event of the catalogue is refused', () => {
  for (const bad of [
    'null',
    '[]',
    '{',
    JSON.stringify({ ...envelope, event: 'toString' }),
    JSON.stringify({ ...envelope, payload: { ...payload, phase: 'other' } }),
    JSON.stringify({ ...envelope, payload: { phase: 'added' } }),
    JSON.stringify({ ...envelope, source: 'x'.repeat(600) }),
    JSON.stringify({ ...envelope, source: 'x'.repeat(MAX_EVENT_BYTES) }),
  ]) {
    assert.throws(() => decodeEnvelope(Buffer.from(bad)), EventError, bad.slice(0, 40));
  }
});

test('arbitrary bytes never give anything but an EventError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => decodeEnvelope(bytes), EventError);
    }),
    { numRuns: 500, seed: 3 },
  );
});

test('the subject of any key is one subject that the pattern of its event matches', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (key) => {
      const subject = subjectOf('flow', key);
      assert.ok(isSubject(subject));
      assert.ok(matchesSubject(patternOf('flow'), subject));
    }),
    { numRuns: 500, seed: 4 },
  );
});

test('patterns match as in NATS', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['*.b', 'a.b', true],
  ];
  for (const [pattern, subject, expected] of cases) assert.equal(matchesSubject(pattern, subject), expected, pattern);
});
