import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { formatIp, ipFromBytes, parseIp } from './ip-address.ts';
import { formatSocketAddress, parseSocketAddress } from './socket-address.ts';

const v4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Mostly zero groups, so that runs of zeros of all kinds come up. */
const v6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));

describe('an IP address', () => {
  test('is written as ipaddr.js writes it (RFC 5952) and read back to the same bytes', () => {
    fc.assert(
      fc.property(fc.oneof(v4Bytes, v6Bytes), (bytes) => {
        const text = formatIp(bytes);
        assert.deepEqual(parseIp(text)?.bytes, ipFromBytes(bytes).bytes);
        assert.equal(text, ipaddr.process(ipaddr.fromByteArray([...bytes]).toString()).toString());
      }),
      { numRuns: 2000 },
    );
  });

  test('is read from every form that ipaddr.js can write', () => {
    fc.assert(
      fc.property(v6Bytes, (bytes) => {
        const groups = ipaddr
          .fromByteArray([...bytes])
          .toNormalizedString()
          .split(':');
        const padded = groups.map((group) => group.padStart(4, '0')).join(':');
        for (const text of [groups.join(':'), padded, padded.toUpperCase()]) {
          assert.deepEqual(parseIp(text)?.bytes, ipFromBytes(bytes).bytes, text);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('that is v4-mapped is IPv4, in text and bytes', () => {
    assert.equal(parseIp('::ffff:10.1.2.3')?.toString(), '10.1.2.3');
    assert.equal(parseIp('::FFFF:0a01:0203')?.version, 4);
    assert.equal(formatIp(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3])), '10.1.2.3');
  });

  test('is refused in any other form', () => {
    const bad = [
      '',
      '1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4 ',
      ' 1.2.3.4',
      '1.2.3.0x4',
      '+1.2.3.4',
      '1..3.4',
      '1.2.3.',
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '::12345',
      '::g',
      'fe80::1%eth0',
      '[::1]',
      '::1.2.3',
      '1.2.3.4::',
      '::1.2.3.4:5',
      '1:2:3:4:5:6:7:1.2.3.4',
      ':1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:',
      '::1/64',
    ];
    for (const text of bad) assert.equal(parseIp(text), undefined, text);
  });

  test('is never misread: what parses, ipaddr.js reads alike', () => {
    const noise = fc.stringMatching(/^[0-9a-f:.]{1,24}$/);
    fc.assert(
      fc.property(noise, (text) => {
        const ip = parseIp(text);
        if (ip) assert.equal(ip.toString(), ipaddr.process(text).toString());
      }),
      { numRuns: 3000 },
    );
  });

  test('knows loopback and unspecified', () => {
    assert.deepEqual(
      ['127.9.9.9', '::1', '::', '::2', '128.0.0.1'].map((t) => parseIp(t)?.isLoopback),
      [true, true, false, false, false],
    );
    assert.deepEqual(
      ['0.0.0.0', '::', '::1'].map((t) => parseIp(t)?.isUnspecified),
      [true, true, false],
    );
  });
});

describe('a socket address', () => {
  test('goes to text and back', () => {
    for (const text of ['10.1.2.3:8080', '[fd00::3]:80', '[::]:0', '0.0.0.0:65535']) {
      const parsed = parseSocketAddress(text);
      assert.ok(parsed);
      assert.equal(formatSocketAddress(parsed), text);
    }
  });

  test('is refused without port, with a bad port, or with IPv6 outside of brackets', () => {
    for (const text of [
      '',
      '10.1.2.3',
      '10.1.2.3:',
      ':80',
      '10.1.2.3:080',
      '10.1.2.3:65536',
      '10.1.2.3:-1',
      'fd00::3:80',
      '[10.1.2.3]:80',
      '[::1]',
      'host:80',
    ]) {
      assert.equal(parseSocketAddress(text), undefined, text);
    }
  });
});
