import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeRequest, encodeRequest, type RequestFields } from './delta-request.ts';
import { RequestReader } from './request-reader.ts';
import { XdsError } from './xds-error.ts';
import { ztunnelNode } from './xds-node.ts';

const node = ztunnelNode({ instanceIp: '10.0.0.1', podName: 'p', podNamespace: 'n', nodeName: 'w', extraMetadata: {} });

const fields: fc.Arbitrary<RequestFields> = fc.record(
  {
    typeUrl: fc.constantFrom('a', 'b'),
    nonce: fc.constantFrom('', '1', '2', '3'),
    error: fc.constantFrom('no', 'never'),
    subscribe: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
    unsubscribe: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
    initialVersions: fc.constantFrom(new Map([['x', '1']]), new Map<string, string>()),
    node: fc.constant(node),
  },
  { requiredKeys: ['typeUrl'] },
);

/** What a request says, with its versions read now. */
function contentOf({ node: introduced, request }: ReturnType<typeof decodeRequest>) {
  return { ...request, node: introduced?.id, initialVersions: [...request.initialVersions] };
}

test('whatever came before, a request says what its own bytes say, also after they were overwritten', () => {
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 40 }), (requests) => {
      const reader = new RequestReader();
      for (const request of requests) {
        const bytes = encodeRequest(request);
        const expected = contentOf(decodeRequest(bytes));
        const lent = Buffer.from(bytes);
        const decoded = reader.read(lent, true);
        lent.fill(0);
        assert.deepEqual(contentOf(decoded), expected);
      }
    }),
  );
});

test('an acknowledgement that many streams send is decoded once, and others are not kept', () => {
  const reader = new RequestReader();
  const read = (request: RequestFields) => reader.read(encodeRequest(request), true);
  const first = read({ typeUrl: 'a', nonce: '1' });
  assert.equal(read({ typeUrl: 'a', nonce: '1' }), first);
  assert.notEqual(read({ typeUrl: 'a', nonce: '2' }), first);
  for (const request of [{ subscribe: ['x'] }, { error: 'no' }, { node }, { initialVersions: new Map([['x', '1']]) }]) {
    const fieldsOf = { typeUrl: 'a', nonce: '1', ...request };
    assert.notEqual(read(fieldsOf), read(fieldsOf));
  }
  // The oldest is forgotten.
  for (let i = 0; i < 8; i += 1) read({ typeUrl: 'a', nonce: `more-${i}` });
  assert.notEqual(read({ typeUrl: 'a', nonce: '1' }), first);
});

test('arbitrary bytes are a request or an XdsError, every time they come', () => {
  const reader = new RequestReader();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (let i = 0; i < 2; i += 1) {
        try {
          reader.read(bytes, true);
        } catch (error) {
          assert.ok(error instanceof XdsError);
        }
      }
    }),
  );
});
