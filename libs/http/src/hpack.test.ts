import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { HpackDecoder, HpackEncoder, Http2Error, maxEncodedBytes } from './index.ts';
import type { HeaderIndexing } from './index.ts';

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

function decode(decoder: HpackDecoder, block: Uint8Array): [string, string][] {
  const fields: [string, string][] = [];
  decoder.decode(block, 0, block.length, { onHeader: (name, value) => fields.push([name, value]) });
  return fields;
}

const requests: [string, string][][] = [
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];
const requestBlocks = [
  '828684410f7777772e6578616d706c652e636f6d',
  '828684be58086e6f2d6361636865',
  '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
];
const huffmanRequestBlocks = [
  '828684418cf1e3c2e5f23a6ba0ab90f4ff',
  '828684be5886a8eb10649cbf',
  '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
];
const date1 = 'Mon, 21 Oct 2013 20:13:21 GMT';
const date2 = 'Mon, 21 Oct 2013 20:13:22 GMT';
const cookie = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const responses: [string, string][][] = [
  [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', date1],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', date1],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', date2],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', cookie],
  ],
];
const huffmanResponseBlocks = [
  '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
  '4883640effc1c0bf',
  '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
];
const responseBlocks = [
  '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
  '4803333037c1c0bf',
  '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
];

for (const [title, blocks, lists, tableBytes] of [
  ['C.3 requests', requestBlocks, requests, 4096],
  ['C.4 requests with Huffman', huffmanRequestBlocks, requests, 4096],
  ['C.5 responses with eviction', responseBlocks, responses, 256],
  ['C.6 responses with Huffman and eviction', huffmanResponseBlocks, responses, 256],
] as const) {
  test(`RFC 7541 ${title} decode to the given lists`, () => {
    const decoder = new HpackDecoder(65_536, tableBytes);
    for (const [i, block] of blocks.entries()) assert.deepEqual(decode(decoder, bytes(block)), lists[i]);
  });
}

for (const [title, blocks, lists, huffman] of [
  ['C.3', requestBlocks, requests, false],
  ['C.4', huffmanRequestBlocks, requests, true],
] as const) {
  test(`the encoder writes the bytes of RFC 7541 ${title}`, () => {
    const encoder = new HpackEncoder(4096, huffman);
    const target = new Uint8Array(1024);
    for (const [i, list] of lists.entries()) {
      let at = encoder.begin(target, 0);
      for (const [name, value] of list) at = encoder.field(target, at, name, value, 'index');
      assert.equal(Buffer.from(target.subarray(0, at)).toString('hex'), blocks[i]);
    }
  });
}

test('RFC 7541 C.2 literals decode', () => {
  const decoder = new HpackDecoder(65_536);
  const custom = bytes('400a637573746f6d2d6b65790d637573746f6d2d686561646572');
  assert.deepEqual(decode(decoder, custom), [['custom-key', 'custom-header']]);
  assert.deepEqual(decode(decoder, bytes('040c2f73616d706c652f70617468')), [[':path', '/sample/path']]);
  assert.deepEqual(decode(decoder, bytes('100870617373776f726406736563726574')), [['password', 'secret']]);
  assert.deepEqual(decode(decoder, bytes('82')), [[':method', 'GET']]);
});

for (const [title, hex] of [
  ['index 0', '80'],
  ['an index beyond the tables', 'be'],
  ['a cut off string', '000a61'],
  ['a cut off integer', '0f80'],
  ['an integer without end', '7f8080808080808080808001'],
  ['a table size over the advertised one', '3fe21f'],
  ['a table size update after a field', '8220'],
  ['EOS in a Huffman string', '0084ffffffff00'],
  ['Huffman padding of zeros', '0001618118'],
  ['Huffman padding of a whole byte', '000161821fff'],
] as const) {
  test(`the decoder refuses ${title}`, () => {
    assert.throws(() => decode(new HpackDecoder(65_536), bytes(hex)), Http2Error);
  });
}

test('a list over the limit is reported and the table stays in step', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(200);
  const target = new Uint8Array(4096);
  const big = 'x'.repeat(300);
  let at = encoder.field(target, encoder.begin(target, 0), 'a', '1', 'index');
  at = encoder.field(target, at, 'big', big, 'index');
  at = encoder.field(target, at, 'b', '2', 'index');
  const seen: string[] = [];
  const size = decoder.decode(target, 0, at, { onHeader: (name) => seen.push(name) });
  assert.equal(size, 34 + 335 + 34);
  assert.deepEqual(seen, ['a']);
  at = encoder.field(target, encoder.begin(target, 0), 'b', '2', 'index');
  assert.equal(at, 1);
  assert.deepEqual(decode(decoder, target.subarray(0, at)), [['b', '2']]);
});

const field = fc.tuple(
  fc.constantFrom('baggage', ':authority', 'forwarded', 'x-a', 'x-b', ':status'),
  fc.string({ maxLength: 80, unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) }),
  fc.constantFrom<HeaderIndexing>('index', 'plain', 'never'),
);

test('what the encoder writes the decoder reads, through any table sizes', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(fc.tuple(fc.option(fc.integer({ min: 0, max: 5000 })), fc.array(field, { maxLength: 8 })), {
        maxLength: 12,
      }),
      (huffman, blocks) => {
        const encoder = new HpackEncoder(4096, huffman);
        const decoder = new HpackDecoder(1_000_000, 4096);
        for (const [tableSize, fields] of blocks) {
          if (tableSize !== null) encoder.setPeerTableSize(tableSize);
          const room = fields.reduce((sum, [name, value]) => sum + maxEncodedBytes(name, value), 12);
          const target = new Uint8Array(room);
          let at = encoder.begin(target, 0);
          for (const [name, value, indexing] of fields) at = encoder.field(target, at, name, value, indexing);
          assert.ok(at <= room);
          assert.deepEqual(
            decode(decoder, target.subarray(0, at)),
            fields.map(([name, value]) => [name, value]),
          );
        }
      },
    ),
    { seed: 7541, numRuns: 300 },
  );
});

test('any bytes either decode or are refused as a compression error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (block) => {
      try {
        decode(new HpackDecoder(65_536), block);
      } catch (error) {
        assert.ok(error instanceof Http2Error);
        assert.equal(error.code, 9);
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
});
