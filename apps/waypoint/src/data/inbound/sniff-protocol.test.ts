import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isHttp2Preface, sniffProtocol } from './sniff-protocol.ts';

const sniff = (text: string): string => sniffProtocol(Buffer.from(text, 'latin1'));

test('request lines and the preface of HTTP/2 are HTTP, and nothing else is', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'POST /a?b HTTP/1.0\r\nhost: x',
    'OPTIONS * HTTP/1.1\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ])
    assert.equal(sniff(text), 'http', text);
  for (const text of [
    '\x16\x03\x01',
    'SSH-2.0-OpenSSH\r\n',
    '*1\r\n$4\r\nPING\r\n',
    'GET / HTTP/3.0\r\n',
    'GET /\r\n',
    ' GET / HTTP/1.1\r\n',
    `${'A'.repeat(25)} / HTTP/1.1\r\n`,
    '\0',
  ])
    assert.equal(sniff(text), 'other', JSON.stringify(text));
  for (const text of ['', 'G', 'GET', 'GET ', 'GET / HTTP/1.', 'PRI * HTTP/2.0\r\n\r\nSM'])
    assert.equal(sniff(text), 'more', JSON.stringify(text));
});

test('what was said of the beginning holds for the whole', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 60 }), fc.nat(60), (text, cut) => {
      const early = sniff(text.slice(0, cut));
      if (early !== 'more') assert.equal(sniff(text), early);
    }),
    { numRuns: 2000 },
  );
});

test('the preface is told from an HTTP/1.1 request as soon as a byte differs', () => {
  assert.equal(isHttp2Preface(Buffer.from('PR')), 'more');
  assert.equal(isHttp2Preface(Buffer.from('PO')), 'no');
  assert.equal(isHttp2Preface(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nx')), 'yes');
});
