/** What a server must survive: any bytes, any order of requests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeRequest } from './delta-request.ts';
import { DeltaSession } from './delta-session.ts';
import { scanResponse } from './delta-response.ts';
import { ResourceStore, ztunnelTypes } from './resource-store.ts';
import { ResponseEncoder } from './response-encoder.ts';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from './type-url.ts';
import { XdsError } from './xds-error.ts';
import { readNode, ztunnelNode } from './xds-node.ts';

const node = readNode(
  ztunnelNode({ instanceIp: '10.0.0.1', podName: 'z', podNamespace: 's', nodeName: 'n', extraMetadata: {} }),
);

test('arbitrary bytes are a request or an XdsError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        const { node: introduced } = decodeRequest(bytes);
        if (introduced !== undefined) readNode(introduced);
      } catch (error) {
        assert.ok(error instanceof XdsError, String(error));
      }
    }),
    { numRuns: 2_000, seed: 11 },
  );
});

const name = fc.constantFrom('a', 'b', '*', '/10.0.0.1', '', 'x');
const request = fc.record({
  typeUrl: fc.constantFrom(WDS, WADS, 'other'),
  subscribe: fc.array(name, { maxLength: 3 }),
  unsubscribe: fc.array(name, { maxLength: 3 }),
  initialVersions: fc
    .dictionary(name, fc.constantFrom('', '1'), { maxKeys: 3 })
    .map((all) => new Map(Object.entries(all))),
  nonce: fc.constantFrom('', 's-1', 's-2', 'invented'),
  error: fc.constantFrom(undefined, 'bad'),
});
const step = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), request }),
  fc.record({ kind: fc.constant('set' as const), name, byte: fc.nat(2) }),
  fc.record({ kind: fc.constant('remove' as const), name }),
  fc.record({ kind: fc.constant('resume' as const) }),
);

test('whatever a client says, it is sent nothing twice in one message, and nothing both set and removed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isSlow) => {
      const store = new ResourceStore(ztunnelTypes((value) => String(value[0])));
      const session = new DeltaSession({
        store,
        node,
        resolver: {
          resolve: (typeUrl, wanted) => {
            const real = wanted === '/10.0.0.1' ? 'a' : wanted;
            return store.get(typeUrl, real) === undefined ? [] : [{ name: real, aliases: ['/10.0.0.1'] }];
          },
          implied: () => [{ name: 'b', aliases: [] }],
        },
        observer: {},
        encoder: new ResponseEncoder({ store, nonceSource: 's', systemVersion: () => '' }),
        sink: {
          write: ({ message }) => {
            const response = scanResponse(message);
            const names = [...response.resources()].map((resource) => resource.name);
            assert.equal(new Set(names).size, names.length);
            assert.equal(new Set(response.removed).size, response.removed.length);
            assert.ok(!response.removed.some((gone) => names.includes(gone)));
            return !isSlow;
          },
        },
      });
      for (const action of steps) {
        if (action.kind === 'ask') session.receive(action.request);
        else if (action.kind === 'set') {
          for (const typeUrl of [WDS, WADS]) {
            store.apply([{ typeUrl, set: [{ name: action.name, value: Uint8Array.of(action.byte) }] }]);
          }
        } else if (action.kind === 'remove') store.apply([{ typeUrl: WDS, remove: [action.name] }]);
        else session.resume();
        session.flush();
      }
    }),
    { numRuns: 400, seed: 12 },
  );
});
