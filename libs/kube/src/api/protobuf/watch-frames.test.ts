/** Events of a watch in protobuf: made by a library's writer, cut anywhere, and damaged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { seededRandom } from '@ambit/testing';
import fc from 'fast-check';
import { KubeError } from '../kube-error.ts';
import { readWatchEvent } from '../watch-event.ts';
import { WatchFrames } from './watch-frames.ts';

type Part = readonly [field: number, value: string | number | boolean | Uint8Array | readonly Part[]];

function encoded(parts: readonly Part[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of parts) {
    if (typeof value === 'boolean') writer.tag(field, WireType.Varint).bool(value);
    else if (typeof value === 'number') writer.tag(field, WireType.Varint).int64(value);
    else {
      writer.tag(field, WireType.LengthDelimited);
      if (typeof value === 'string') writer.string(value);
      else writer.bytes(value instanceof Uint8Array ? value : encoded(value));
    }
  }
  return writer.finish();
}

function frame(type: string, apiVersion: string, kind: string, object: readonly Part[]): Buffer {
  const unknown = encoded([
    [
      1,
      [
        [1, apiVersion],
        [2, kind],
      ],
    ],
    [2, object],
  ]);
  const event = encoded([
    [1, type],
    [2, [[1, Buffer.concat([Buffer.from('k8s\0'), unknown])]]],
  ]);
  const whole = Buffer.alloc(4 + event.length);
  whole.writeUInt32BE(event.length);
  whole.set(event, 4);
  return whole;
}

const entry = (key: string, value: string): readonly Part[] => [
  [1, key],
  [2, value],
];

const POD: readonly Part[] = [
  [
    1,
    [
      [1, 'web-1'],
      [2, ''],
      [3, 'shop'],
      [6, '77'],
      [7, 0],
      [8, [[1, 1_790_000_000]]],
      [9, []],
      [11, entry('app', 'web')],
      [11, entry('__proto__', 'x')],
      [11, entry('empty', '')],
      [17, [[1, 'manager']]],
    ],
  ],
  [
    2,
    [
      [
        2,
        [
          [1, 'main'],
          [
            6,
            [
              [1, 'http'],
              [3, 8080],
              [4, 'TCP'],
            ],
          ],
          [6, [[3, 9090]]],
        ],
      ],
      [10, 'node-1'],
      [11, false],
    ],
  ],
  [
    3,
    [
      [1, 'Running'],
      [12, [[1, '10.0.0.1']]],
      [12, [[1, 'fd00::1']]],
    ],
  ],
];

const POD_JSON = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web-1',
    namespace: 'shop',
    resourceVersion: '77',
    creationTimestamp: '2026-09-21T14:13:20Z',
    labels: Object.fromEntries([
      ['app', 'web'],
      ['__proto__', 'x'],
      ['empty', ''],
    ]),
  },
  spec: {
    containers: [
      {
        name: 'main',
        ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }, { containerPort: 9090 }],
      },
    ],
    nodeName: 'node-1',
    hostNetwork: false,
  },
  status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
};

test('an object is what its JSON form would be, without what nobody reads', () => {
  const [event] = new WatchFrames().push(frame('ADDED', 'v1', 'Pod', POD));
  assert.deepEqual(event, { type: 'ADDED', object: POD_JSON });
  assert.equal(readWatchEvent(event, 'watch of pods').kind, 'changed');
});

test('ports by number and by name, and none', () => {
  const port = (...parts: readonly Part[]): Part => [1, parts];
  const [event] = new WatchFrames().push(
    frame('MODIFIED', 'v1', 'Service', [
      [1, [[1, 'web']]],
      [
        2,
        [
          port(
            [1, 'a'],
            [3, 80],
            [
              4,
              [
                [1, 0],
                [2, 8080],
                [3, ''],
              ],
            ],
          ),
          port(
            [3, 81],
            [
              4,
              [
                [1, 1],
                [2, 0],
                [3, 'http'],
              ],
            ],
          ),
          port(
            [3, 82],
            [
              4,
              [
                [1, 0],
                [2, 0],
                [3, ''],
              ],
            ],
          ),
        ],
      ],
    ]),
  );
  assert.deepEqual(event, {
    type: 'MODIFIED',
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: {
        ports: [{ name: 'a', port: 80, targetPort: 8080 }, { port: 81, targetPort: 'http' }, { port: 82 }],
      },
    },
  });
});

test('an expired version is told as GONE, with the sentence of the API server', () => {
  const [event] = new WatchFrames().push(
    frame('ERROR', 'v1', 'Status', [
      [3, 'too old resource version'],
      [4, 'Expired'],
      [6, 410],
    ]),
  );
  assert.throws(() => readWatchEvent(event, 'watch'), { code: 'GONE', message: /too old resource version/ });
});

test('events come out whole, however their bytes are cut', () => {
  const stream = Buffer.concat([
    frame('ADDED', 'v1', 'Pod', POD),
    frame('BOOKMARK', 'v1', 'Pod', [[1, [[6, '9']]]]),
    frame('DELETED', 'v1', 'Pod', POD),
  ]);
  const whole = new WatchFrames().push(stream);
  assert.equal(whole.length, 3);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (sizes) => {
      const frames = new WatchFrames();
      const events: unknown[] = [];
      for (let at = 0, i = 0; at < stream.length; i += 1) {
        const size = sizes[i % sizes.length] ?? 1;
        events.push(...frames.push(stream.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(events, whole);
    }),
  );
});

test('what is too long is refused by its length alone', () => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(1_001);
  assert.throws(() => new WatchFrames(1_000).push(head), { code: 'TOO_LARGE' });
});

test('kinds without a shape, other envelopes and cut messages are malformed', () => {
  const good = frame('ADDED', 'v1', 'Pod', POD);
  const other = Buffer.from(good);
  other.write('k9s', good.indexOf('k8s'));
  const short = Buffer.from(good.subarray(0, good.length - 3));
  short.writeUInt32BE(short.length - 4);
  for (const bytes of [frame('ADDED', 'v1', 'Lease', []), other, short]) {
    assert.throws(() => new WatchFrames().push(bytes), { code: 'MALFORMED' });
  }
});

test('20,000 damaged events end in an event or a KubeError, never in anything else', () => {
  const random = seededRandom(7);
  const good = frame('ADDED', 'v1', 'Pod', POD);
  let read = 0;
  for (let i = 0; i < 20_000; i += 1) {
    const bytes = Buffer.from(good);
    for (let flips = 1 + Math.floor(random() * 4); flips > 0; flips -= 1) {
      bytes[4 + Math.floor(random() * (bytes.length - 4))] = Math.floor(random() * 256);
    }
    try {
      for (const event of new WatchFrames().push(bytes)) readWatchEvent(event, 'fuzz');
      read += 1;
    } catch (cause) {
      assert.ok(cause instanceof KubeError, String(cause));
    }
  }
  assert.ok(read > 0 && read < 20_000, `${read}`);
});
