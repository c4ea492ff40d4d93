import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { makeTestCa } from '@ambit/testing';
import fc from 'fast-check';
import { readCsrDer } from './csr-reader.ts';
import { DerReader, Tag, decodeOid, decodeTime } from './der-reader.ts';
import { derElement, derOid, derSequence, derTime, derUnsignedInteger } from './der-writer.ts';
import { IdentityError, createKeyAndCsr, decodePem, makeSpiffeId, parseCertificate } from './index.ts';

const seeded = { seed: 20261121, numRuns: 400 };
const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');

for (const [name, bytes] of [
  ['indefinite length', '3080'],
  ['long form where short fits', '30810100'],
  ['leading zero in the length', '3082000100'],
  ['length beyond the buffer', '3005'],
  ['four length octets', '308400000001'],
  ['multi-byte tag', '1f8100'],
  ['nothing', ''],
] as const) {
  test(`DER with ${name} is refused`, () => {
    assert.throws(() => new DerReader(hex(bytes)).element(), { code: 'DER_INVALID' });
  });
}

test('elements of every length form are written and read back', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const content = Buffer.alloc(length, 7);
    const reader = new DerReader(derSequence(derElement(Tag.octetString, content)));
    const inner = reader.nested(Tag.sequence);
    assert.equal(Buffer.compare(inner.content(Tag.octetString), content), 0);
    inner.end();
    reader.end();
  }
});

test('object identifiers are written and read back', () => {
  const arc = fc.nat({ max: 0x7fff_ffff });
  const oid = fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 39 }), fc.array(arc, { maxLength: 8 }));
  fc.assert(
    fc.property(oid, ([first, second, rest]) => {
      const dotted = [first, second, ...rest].join('.');
      assert.equal(decodeOid(new DerReader(derOid(dotted)).content(Tag.oid)), dotted);
    }),
    seeded,
  );
});

test('whole seconds from 1950 to 9999 are written and read back', () => {
  const second = fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 });
  fc.assert(
    fc.property(second, (seconds) => {
      assert.equal(decodeTime(new DerReader(derTime(seconds * 1000)).element()), seconds * 1000);
    }),
    seeded,
  );
});

test('times that do not exist are refused', () => {
  for (const text of [
    '260230000000Z',
    '261301000000Z',
    '260101240000Z',
    '260101000000',
    '2601010000Z',
    'x60101000000Z',
  ]) {
    const element = new DerReader(derElement(Tag.utcTime, Buffer.from(text))).element();
    assert.throws(() => decodeTime(element), { code: 'DER_INVALID' }, text);
  }
});

test('unsigned integers are minimal and never negative', () => {
  assert.deepEqual(Buffer.from(derUnsignedInteger(hex('00ff'))).toString('hex'), '020200ff');
  assert.deepEqual(Buffer.from(derUnsignedInteger(hex('007f'))).toString('hex'), '02017f');
  assert.deepEqual(Buffer.from(derUnsignedInteger(hex('00'))).toString('hex'), '020100');
});

/** Any bytes: random, or a valid encoding with some bytes overwritten, cut or repeated. */
function mutated(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({ at: fc.nat({ max: valid.length - 1 }), value: fc.nat({ max: 255 }) });
  const edited = fc
    .tuple(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat({ max: valid.length }))
    .map(([edits, length]) => {
      const copy = Uint8Array.from(valid);
      for (const { at, value } of edits) copy[at] = value;
      return length % 3 === 0 ? copy.subarray(0, length) : copy;
    });
  return fc.oneof({ weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) }, { weight: 4, arbitrary: edited });
}

function assertOnlyRefusals(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof IdentityError, String(error));
  }
}

test('no bytes make the certificate parser fail in another way than by refusing', () => {
  const valid = new X509Certificate(makeTestCa().issue('spiffe://a/ns/b/sa/c').certificateChainPem).raw;
  fc.assert(
    fc.property(mutated(valid), (bytes) => assertOnlyRefusals(() => parseCertificate(bytes))),
    { ...seeded, numRuns: 3000 },
  );
});

test('no bytes make the request reader fail in another way than by refusing, and none is accepted but the original', () => {
  const csr = createKeyAndCsr(makeSpiffeId({ trustDomain: 'a', namespace: 'b', serviceAccount: 'c' }));
  const [valid = new Uint8Array()] = decodePem('CERTIFICATE REQUEST', csr.csrPem, 1);
  assert.deepEqual(Buffer.from(readCsrDer(valid).publicKeyInfo), Buffer.from(csr.publicKeyInfo));
  fc.assert(
    fc.property(mutated(valid), (bytes) => {
      assertOnlyRefusals(() => {
        const accepted = readCsrDer(bytes);
        assert.deepEqual(Buffer.from(accepted.publicKeyInfo), Buffer.from(csr.publicKeyInfo));
      });
    }),
    { ...seeded, numRuns: 1500 },
  );
});
