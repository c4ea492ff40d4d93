import assert from 'node:assert/strict';
import { test } from 'node:test';

import { proxy } from '@ambit/api';
import { frameOf } from '@ambit/grpc';
import fc from 'fast-check';

import type { FakeServerExchange } from './test-support/fake-server-exchange.ts';
import { Lab } from './test-support/lab.ts';

const ports = [{ port: 80, protocol: proxy.Protocol.GRPC_WEB }];
const post = (type: string): Parameters<Lab['request']>[0] => ({
  method: 'POST',
  target: '/a.B/C',
  hasBody: true,
  contentLength: 12,
  headers: { 'content-type': type },
});
const message = frameOf(Buffer.from('hi')).toString();
const trailers = (text: string): string => {
  const frame = Buffer.concat([Buffer.of(0x80, 0, 0, 0, text.length), Buffer.from(text)]);
  return frame.toString('latin1');
};

/** Pieces of base64, each with its own padding. */
const decoded = (client: FakeServerExchange): string =>
  (client.body.match(/[^=]+={0,2}/g) ?? []).map((piece) => Buffer.from(piece, 'base64').toString('latin1')).join('');

test('a binary request is gRPC to the backend, and its trailers are the last frame', () => {
  const lab = new Lab({ ports });
  const client = lab.request(post('application/grpc-web+proto'));
  client.sendBody(message);
  client.sendEnd();
  const { last } = lab.upstreams;
  assert.deepEqual(
    [last.sent?.headers['content-type'], last.sent?.headers['te']],
    ['application/grpc+proto', 'trailers'],
  );
  assert.deepEqual([last.body, last.isEnded], [message, true]);
  last.respond(200, { 'content-type': 'application/grpc+proto' });
  last.sendBody(message).sendEnd({ 'grpc-status': '5', 'grpc-message': 'gone' });
  assert.equal(client.headers['content-type'], 'application/grpc-web+proto');
  assert.equal(client.body, message + trailers('grpc-status: 5\r\ngrpc-message: gone\r\n'));
  assert.deepEqual([client.isEnded, client.trailers], [true, undefined]);
  assert.deepEqual([lab.record.grpcStatus, lab.record.requestMessages, lab.record.responseMessages], [5, 1, 1]);
  lab.assertNothingHeld();
});

test('a text request is decoded, however it is cut and padded, and its answer encoded', () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(30), { maxLength: 10 }), (parts, cuts) => {
      const lab = new Lab({ ports });
      const client = lab.request(post('application/grpc-web-text'));
      const text = parts.map((part) => Buffer.from(part).toString('base64')).join('');
      let at = 0;
      for (const cut of [...cuts, text.length]) {
        if (at < text.length) client.sendBody(text.slice(at, at + cut));
        at += cut;
      }
      client.sendEnd();
      assert.equal(lab.upstreams.last.body, Buffer.concat(parts).toString('latin1'));
      assert.equal(lab.upstreams.last.isEnded, true);
      lab.upstreams.last.respond(200, { 'content-type': 'application/grpc' }).sendBody('abcd');
      lab.upstreams.last.sendEnd({ 'grpc-status': '0' });
      assert.equal(client.headers['content-type'], 'application/grpc-web-text');
      assert.equal(decoded(client), `abcd${trailers('grpc-status: 0\r\n')}`);
      lab.assertNothingHeld();
    }),
    { numRuns: 200 },
  );
});

test('text that is no base64 ends the request', () => {
  for (const text of ['ab*d', 'a===', 'abc']) {
    const lab = new Lab({ ports });
    const client = lab.request(post('application/grpc-web-text'));
    client.sendBody(text);
    client.sendEnd();
    assert.equal(client.isAborted, true, text);
    assert.equal(lab.record.flags, 'DPE');
    lab.assertNothingHeld();
  }
});

test('the proxy’s own answers are gRPC-Web’s, in the head', () => {
  const lab = new Lab({ ports });
  lab.upstreams.failure = 'no-endpoint';
  const client = lab.request(post('application/grpc-web'));
  assert.deepEqual([client.status, client.headers['grpc-status'], client.isEnded], [200, '14', true]);
  assert.equal(client.headers['content-type'], 'application/grpc-web');
});

test('on other ports, and to other requests, nothing is done', () => {
  const plain = new Lab();
  plain.request(post('application/grpc-web'));
  assert.equal(plain.upstreams.last.sent?.headers['content-type'], 'application/grpc-web');
  const lab = new Lab({ ports });
  const client = lab.request({ headers: { 'content-type': 'text/plain' } });
  lab.upstreams.last.answer(200, 'page', { 'content-type': 'text/html' });
  assert.deepEqual([client.body, client.headers['content-type']], ['page', 'text/html']);
});
