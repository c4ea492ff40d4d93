import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeltaClient, type DeltaTypeHandler } from './delta-client.ts';
import { decodeRequest } from './delta-request.ts';
import { DeltaServer } from './delta-server.ts';
import type { DeltaStream } from './delta-transport.ts';
import { createContentVersion } from './content-version.ts';
import { ResourceStore, ztunnelTypes } from './resource-store.ts';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from './type-url.ts';
import { readNode, ztunnelNode } from './xds-node.ts';

const version = await createContentVersion();
const node = ztunnelNode({ instanceIp: '10.0.0.1', podName: 'z', podNamespace: 's', nodeName: 'n', extraMetadata: {} });

/** A stream between a real client and a real server session, cut at will, with a reader that is slow at will. */
class Wire {
  readonly #messages: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;
  isSlow = false;
  #resume: () => void = () => undefined;
  #close: () => void = () => undefined;

  open(server: DeltaServer): DeltaStream {
    const [session, close] = server.openSession(readNode(node), {
      write: ({ message }) => {
        this.#messages.push(message);
        this.#wake?.();
        return !this.isSlow;
      },
    });
    this.#resume = () => session.resume();
    this.#close = close;
    return {
      send: (bytes) => {
        if (this.#isClosed) return;
        session.receive(decodeRequest(bytes).request);
        session.flush();
      },
      responses: this.#read(),
      termination: () => ({ kind: 'complete', message: 'cut' }),
      close: () => this.cut(),
    };
  }

  setSlow(isSlow: boolean): void {
    this.isSlow = isSlow;
    if (!isSlow) this.#resume();
  }

  /** Whatever the client has not read is lost. */
  cut(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#messages.length = 0;
    this.#close();
    this.#wake?.();
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        yield message;
        continue;
      }
      if (this.#isClosed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const names = ['a', 'b', 'c', 'd', 'e'];
const step = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    type: fc.constantFrom(WDS, WADS),
    name: fc.constantFrom(...names),
    byte: fc.nat(3),
  }),
  fc.record({
    kind: fc.constant('remove' as const),
    type: fc.constantFrom(WDS, WADS),
    name: fc.constantFrom(...names),
  }),
  fc.record({ kind: fc.constant('cut' as const) }),
  fc.record({ kind: fc.constant('slow' as const), isSlow: fc.boolean() }),
  fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 4 }) }),
);

/** Byte 3 is a value the client rejects: it has to keep the older one until a better one or a removal comes. */
const REJECTED = 3;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('any interleaving of updates, cuts and slow readers ends with the client holding what the server has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const store = new ResourceStore(ztunnelTypes(version));
      using server = new DeltaServer({ store, authenticate: () => ({ identities: [] }), holdMs: 0 });
      const client = new Map([WDS, WADS].map((type) => [type, new Map<string, number>()]));
      const handler = (typeUrl: string): DeltaTypeHandler => ({
        typeUrl,
        mode: 'wildcard',
        update: (resources) => {
          const rejections = [];
          for (const { name, value } of resources) {
            if (value[0] === REJECTED) rejections.push({ name, reason: 'three' });
            else client.get(typeUrl)?.set(name, value[0] ?? -1);
          }
          return rejections;
        },
        remove: (gone) => {
          for (const name of gone) client.get(typeUrl)?.delete(name);
        },
      });
      let wire = new Wire();
      const stop = new AbortController();
      const running = new DeltaClient({
        node,
        types: [handler(WDS), handler(WADS)],
        connect: () => {
          const isSlow = wire.isSlow;
          wire = new Wire();
          wire.isSlow = isSlow;
          return wire.open(server);
        },
        sliceSize: 2,
        wait: async () => turns(1),
      }).run(stop.signal);

      for (const action of steps) {
        if (action.kind === 'set') {
          store.apply([{ typeUrl: action.type, set: [{ name: action.name, value: Uint8Array.of(action.byte) }] }]);
        } else if (action.kind === 'remove') store.apply([{ typeUrl: action.type, remove: [action.name] }]);
        else if (action.kind === 'cut') wire.cut();
        else if (action.kind === 'slow') wire.setSlow(action.isSlow);
        else await turns(action.count);
      }
      wire.setSlow(false);
      const expected = [WDS, WADS].map((type) =>
        [...store.all(type).values()].map(({ name, value }) => [name, value[0]]),
      );
      const isConverged = (): boolean =>
        [WDS, WADS].every((type, i) => {
          const held = client.get(type) ?? new Map<string, number>();
          const wanted = expected[i] ?? [];
          // A rejected value leaves the older one or nothing, never another name.
          return (
            wanted.every(([name, byte]) => byte === REJECTED || held.get(String(name)) === byte) &&
            [...held.keys()].every((name) => store.get(type, name) !== undefined)
          );
        });
      // Rounds of pushes are paced by time.
      const deadlineMs = performance.now() + 10_000;
      while (!isConverged() && performance.now() < deadlineMs) {
        wire.setSlow(false);
        await turns(1);
      }
      stop.abort();
      await running;
      assert.ok(isConverged(), JSON.stringify({ expected, held: [...client.values()].map((map) => [...map]) }));
    }),
    { numRuns: 120, seed: 31 },
  );
});
