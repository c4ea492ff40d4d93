import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePorts, summarise } from './capture-summary.ts';
import { readPackets } from './pcap-reader.ts';

/** One IPv4 packet over TCP, as tcpdump writes it. */
function capture(sourcePort: number, payload: Buffer): Buffer {
  const segment = Buffer.concat([Buffer.alloc(20), payload]);
  segment.writeUInt16BE(sourcePort, 0);
  segment.writeUInt16BE(40_000, 2);
  segment[12] = 5 << 4;
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + segment.length, 2);
  header[9] = 6;
  const frame = Buffer.concat([Buffer.alloc(12), Buffer.of(8, 0), header, segment]);
  const record = Buffer.alloc(16);
  record.writeUInt32LE(frame.length, 8);
  return Buffer.concat([record, frame]);
}

test('a text is found across packets of one direction, and bytes are counted for the server', () => {
  const file = Buffer.concat([
    Buffer.alloc(24),
    capture(8080, Buffer.from('read')),
    capture(8080, Buffer.from('able')),
  ]);
  const summary = summarise(readPackets(file), 15_008);
  assert.equal(summary.contains('readable'), true);
  assert.equal(summary.contains('secret'), false);
  assert.equal(describePorts(summary), '8 bytes on port 8080');
  assert.equal(readPackets(file.subarray(0, file.length - 1)).length, 1, 'a packet that is cut short is left out');
});

test('the version that a server chose is told for the port that was asked about', () => {
  const hello = (extension: readonly number[]): Buffer => Buffer.from([22, 3, 3, 0, 9, 2, ...extension]);
  const chose13 = hello([0x00, 0x2b, 0x00, 0x02, 0x03, 0x04]);
  const file = Buffer.concat([
    Buffer.alloc(24),
    capture(15_008, chose13),
    capture(15_008, hello([0, 0])),
    capture(443, chose13),
  ]);
  assert.deepEqual(summarise(readPackets(file), 15_008).tlsVersions, ['1.3', 'older']);
});
