import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatProbeAnswer, isEnforcementProbe, parseProbeAnswer, type ProbeState } from './enforcement-probe.ts';

test('an answer is read as it was written', () => {
  const states: readonly ProbeState[] = ['valid', 'no-certificate', 'unknown'];
  for (const state of states)
    for (const identity of [undefined, 'spiffe://cluster.local/ns/shop/sa/web'])
      assert.deepEqual(parseProbeAnswer(formatProbeAnswer({ pod: 'shop/web-0', state, identity })), {
        pod: 'shop/web-0',
        state,
        identity,
      });
});

test('anything else is no answer, and no prefix of an answer is one', () => {
  const whole = formatProbeAnswer({ pod: 'a/b', state: 'valid', identity: 'spiffe://c/ns/a/sa/b' });
  for (let length = 0; length < whole.length; length += 1)
    assert.equal(parseProbeAnswer(whole.slice(0, length)), undefined);
  assert.equal(parseProbeAnswer(`${whole}x`), undefined);
  assert.equal(parseProbeAnswer('HTTP/1.1 400 Bad Request\r\n'), undefined);
  assert.equal(parseProbeAnswer('ambit-probe 1 a/b broken -\n'), undefined);
  fc.assert(
    fc.property(fc.string(), (text) => parseProbeAnswer(text) === undefined || text.startsWith('ambit-probe 1 ')),
  );
});

test('only the reserved addresses with the reserved port are the probe', () => {
  assert.ok(isEnforcementProbe('192.0.2.58', 15_058));
  assert.ok(isEnforcementProbe('100::58', 15_058));
  assert.ok(!isEnforcementProbe('192.0.2.58', 443));
  assert.ok(!isEnforcementProbe('10.0.0.1', 15_058));
});
