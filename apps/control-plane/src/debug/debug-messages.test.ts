import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcError } from '@ambit/grpc';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { message, readDebugRequest, text, writeDebugResponse } from './debug-messages.ts';

test('a question is read past what is not asked for', () => {
  const writer = new BinaryWriter();
  text(writer, 1, 'version');
  message(writer, 2, (node) => text(node, 1, 'debug~0.0.0.0~istioctl~cluster.local'));
  text(writer, 3, 'list');
  text(writer, 4, 'istio.io/debug');
  assert.deepEqual(readDebugRequest(writer.finish()), { typeUrl: 'istio.io/debug', names: ['list'], nonce: '' });
});

test('arbitrary bytes are a question or INVALID_ARGUMENT', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        assert.ok(readDebugRequest(bytes).names.length <= 8);
      } catch (error) {
        assert.ok(error instanceof GrpcError);
        assert.equal(error.status, 'INVALID_ARGUMENT');
      }
    }),
  );
});

test('an answer has its fields where protobuf wants them', () => {
  const value = Buffer.from('[]');
  const bytes = writeDebugResponse({
    typeUrl: 't',
    nonce: '1',
    controlPlane: '{}',
    resources: [{ typeUrl: 'a', value }],
  });
  const reader = new BinaryReader(bytes);
  const fields: [number, string][] = [];
  while (reader.pos < reader.len) fields.push([reader.tag()[0], Buffer.from(reader.bytes()).toString('hex')]);
  assert.deepEqual(fields, [
    [2, '0a016112025b5d'],
    [4, '74'],
    [5, '31'],
    [6, '0a027b7d'],
  ]);
});
