import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { parseCidr, type Cidr } from './cidr.ts';
import { CidrSet } from './cidr-set.ts';
import { parseIp } from './ip-address.ts';

/** Few distinct bits, so that addresses and blocks meet often; no v4-mapped ones, which ipaddr.js takes for IPv6. */
const v4 = fc
  .array(fc.constantFrom(0, 1, 127, 128, 255), { minLength: 4, maxLength: 4 })
  .map((bytes) => bytes.join('.'));
const v6 = fc
  .array(fc.constantFrom('0', '1', '8000', 'abcd'), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.join(':'));
const address = fc.oneof(v4, v6);
const block = fc.oneof(
  fc.tuple(v4, fc.integer({ min: 0, max: 32 })).map(([ip, length]) => `${ip}/${length}`),
  fc.tuple(v6, fc.integer({ min: 0, max: 128 })).map(([ip, length]) => `${ip}/${length}`),
);

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  assert.ok(parsed, text);
  return parsed;
}

/** What ipaddr.js says, which compares within one family only. */
function oracle(ip: string, text: string): boolean {
  const parsed = ipaddr.parse(ip);
  const [base, length] = ipaddr.parseCIDR(text);
  return parsed.kind() === base.kind() && parsed.match(base, length);
}

describe('a CIDR block', () => {
  test('contains what ipaddr.js says it contains', () => {
    fc.assert(
      fc.property(address, block, (ip, text) => {
        const parsed = parseIp(ip);
        assert.ok(parsed);
        assert.equal(cidr(text).contains(parsed), oracle(ip, text));
      }),
      { numRuns: 3000 },
    );
  });

  test('clears its host bits, and an address alone is a block of one', () => {
    assert.equal(cidr('10.1.2.3/8').toString(), '10.0.0.0/8');
    assert.equal(cidr('fd00::ffff/112').toString(), 'fd00::/112');
    assert.equal(cidr('10.1.2.3').toString(), '10.1.2.3/32');
    assert.equal(cidr('::ffff:10.0.0.0/104').toString(), '10.0.0.0/8');
  });

  test('is refused when it is malformed or too long', () => {
    for (const text of [
      '',
      '/8',
      '10.0.0.0/',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/08',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '::ffff:10.0.0.0/90',
      'x/8',
    ]) {
      assert.equal(parseCidr(text), undefined, text);
    }
  });
});

describe('a set of CIDR blocks', () => {
  test('contains an address exactly if one of its blocks does', () => {
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 12 }),
        fc.array(address, { minLength: 1, maxLength: 12 }),
        (blocks, ips) => {
          const set = new CidrSet(blocks.map(cidr));
          for (const ip of ips) {
            const parsed = parseIp(ip);
            assert.ok(parsed);
            assert.equal(
              set.contains(parsed),
              blocks.some((text) => oracle(ip, text)),
              ip,
            );
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('merges blocks that lie in one another', () => {
    assert.equal(new CidrSet(['10.0.0.0/8', '10.1.0.0/16', '10.0.0.0/8', 'fd00::/8'].map(cidr)).size, 2);
    assert.equal(new CidrSet([]).size, 0);
  });
});
