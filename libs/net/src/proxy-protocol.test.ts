import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeProxyHeader, encodeProxyHeader, maxProxyBodyBytes, proxyPeerIdentityTlv } from './proxy-protocol.ts';

/** Put together by hand from the specification: 10.0.0.1:1000 to 10.0.0.2:2000 with one identity TLV. */
const golden = Buffer.from(
  '0d0a0d0a000d0a515549540a' + '2111' + '0014' + '0a000001' + '0a000002' + '03e8' + '07d0' + 'd00005' + '6162633a2f',
  'hex',
);

const ip = fc.oneof(fc.ipV4(), fc.constantFrom('fd00::1', '2001:db8::5'));
const end = fc.record({ address: ip, port: fc.integer({ min: 0, max: 65535 }) }, { noNullPrototype: true });
const tlv = fc.record({ type: fc.integer({ min: 0, max: 255 }), value: fc.uint8Array({ maxLength: 100 }) });

describe('a PROXY v2 header', () => {
  test('is encoded byte for byte as specified', () => {
    const bytes = encodeProxyHeader({
      source: { address: '10.0.0.1', port: 1000 },
      destination: { address: '10.0.0.2', port: 2000 },
      tlvs: [{ type: proxyPeerIdentityTlv, value: Buffer.from('abc:/') }],
    });
    assert.equal(Buffer.from(bytes).toString('hex'), golden.toString('hex'));
  });

  test('comes back from its bytes, whatever follows them', () => {
    fc.assert(
      fc.property(
        end,
        end,
        fc.array(tlv, { maxLength: 5 }),
        fc.uint8Array({ maxLength: 8 }),
        (source, destination, tlvs, rest) => {
          const bytes = encodeProxyHeader({ source, destination, tlvs });
          const decoded = decodeProxyHeader(Buffer.concat([bytes, rest]));
          assert.ok(decoded.kind === 'header');
          assert.equal(decoded.length, bytes.length);
          assert.deepEqual([decoded.header.source, decoded.header.destination], [source, destination]);
          assert.deepEqual(
            decoded.header.tlvs.map((t) => [t.type, [...t.value]]),
            tlvs.map((t) => [t.type, [...t.value]]),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('asks for more at every cut and says how much', () => {
    for (let length = 0; length < golden.length; length++) {
      assert.deepEqual(decodeProxyHeader(golden.subarray(0, length)), {
        kind: 'more',
        needBytes: length < 16 ? 16 : golden.length,
      });
    }
  });

  test('of command LOCAL has no addresses', () => {
    const local = Buffer.concat([golden.subarray(0, 12), Buffer.from('20000000', 'hex')]);
    assert.deepEqual(decodeProxyHeader(local), { kind: 'local', length: 16 });
  });

  const bad: [string, (bytes: Buffer) => void][] = [
    ['a wrong signature', (b) => b.fill(0, 5, 6)],
    ['version 1', (b) => b.fill(0x11, 12, 13)],
    ['datagrams', (b) => b.fill(0x12, 13, 14)],
    ['a length over the limit', (b) => b.writeUInt16BE(maxProxyBodyBytes + 1, 14)],
    ['addresses cut off', (b) => b.writeUInt16BE(11, 14)],
    ['a TLV head cut off', (b) => b.writeUInt16BE(14, 14)],
    ['a TLV value cut off', (b) => b.writeUInt16BE(6, 29)],
  ];
  for (const [name, spoil] of bad) {
    test(`is refused with ${name}`, () => {
      const bytes = Buffer.from(golden);
      spoil(bytes);
      assert.equal(decodeProxyHeader(bytes).kind, 'malformed');
    });
  }

  test('of any bytes ends in an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
        const decoded = decodeProxyHeader(Buffer.concat([golden.subarray(0, 12), tail]));
        if (decoded.kind === 'header') assert.ok(decoded.length <= 12 + tail.length);
      }),
      { numRuns: 3000 },
    );
  });
});
