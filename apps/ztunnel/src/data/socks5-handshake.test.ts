import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Socks5Handshake, type Socks5Step } from './socks5-handshake.ts';

const greeting = [5, 1, 0];
const v4Request = [5, 1, 0, 1, 10, 0, 0, 1, 0x1f, 0x90];

/** All bytes one at a time; the last step that is not `more`. */
function trickle(bytes: readonly number[]): Socks5Step[] {
  const handshake = new Socks5Handshake();
  const steps: Socks5Step[] = [];
  for (const byte of bytes) {
    const step = handshake.push(Uint8Array.of(byte));
    if (step.kind !== 'more') steps.push(step);
    if (step.kind === 'refuse' || step.kind === 'connect') break;
  }
  return steps;
}

function last(bytes: readonly number[]): Socks5Step {
  return trickle(bytes).at(-1) ?? { kind: 'more' };
}

test('an IPv4 request that comes byte by byte is understood', () => {
  assert.deepEqual(last([...greeting, ...v4Request]), {
    kind: 'connect',
    host: { kind: 'address', text: '10.0.0.1' },
    port: 8080,
    rest: new Uint8Array(0),
  });
});

test('an IPv6 and a domain request are understood', () => {
  const v6 = [...greeting, 5, 1, 0, 4, 0xfd, ...new Array<number>(14).fill(0), 1, 0, 80];
  assert.deepEqual(last(v6), {
    kind: 'connect',
    host: { kind: 'address', text: 'fd00::1' },
    port: 80,
    rest: new Uint8Array(0),
  });
  const domain = [...greeting, 5, 1, 0, 3, 3, ...Buffer.from('web'), 0, 80];
  assert.deepEqual(last(domain), {
    kind: 'connect',
    host: { kind: 'domain', text: 'web' },
    port: 80,
    rest: new Uint8Array(0),
  });
});

test('bytes of the application that come early are given back', () => {
  const handshake = new Socks5Handshake();
  handshake.push(Uint8Array.from(greeting));
  const step = handshake.push(Uint8Array.from([...v4Request, 7, 8]));
  assert.deepEqual(step.kind === 'connect' && [...step.rest], [7, 8]);
});

const refused: readonly [name: string, bytes: readonly number[], reply: readonly number[]][] = [
  ['another version', [4, 1], [5, 7]],
  ['a client that offers authentication only', [5, 1, 2], [5, 0xff]],
  ['BIND', [...greeting, 5, 2, 0, 1, 1], [5, 7]],
  ['an unknown address type', [...greeting, 5, 1, 0, 9, 1], [5, 7]],
  ['an empty domain', [...greeting, 5, 1, 0, 3, 0, 0, 80], [5, 7]],
  ['a domain with a space', [...greeting, 5, 1, 0, 3, 3, ...Buffer.from('a b'), 0, 80], [5, 7]],
];

for (const [name, bytes, reply] of refused) {
  test(`${name} is refused`, () => {
    const step = last(bytes);
    assert.equal(step.kind, 'refuse');
    assert.deepEqual(step.kind === 'refuse' && [...step.bytes].slice(0, 2), reply);
  });
}

test('garbage is never more than asked for and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const steps = trickle([5, ...bytes]);
      assert.ok(steps.length <= 3);
    }),
    { numRuns: 2000, seed: 20_261_121 },
  );
});
