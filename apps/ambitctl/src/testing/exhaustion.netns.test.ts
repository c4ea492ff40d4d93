/** Clients that want to exhaust a real waypoint: its memory stays in bounds, it survives, and others are served meanwhile. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attack } from '../demo/observe/attack.ts';
import { attacker, HostileLab } from './hostile-lab.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
/** Nobody else waits longer for an answer, start of a program included, on a machine that does other things as well. */
const patienceMs = 20_000;

interface Heavy {
  readonly opened: number;
  readonly closed: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly last: string;
}

interface Trial {
  readonly kind: string;
  readonly connections: number;
  readonly seconds: number;
  readonly maxGrowthMib: number;
  /** What must have become of the clients. */
  readonly isRight: (heavy: Heavy) => boolean;
}

/** Whoever got to read an answer got this one: a client that goes on sending may lose it to the reset of the connection. */
const refusedWith =
  (status: string) =>
  ({ statuses, opened, closed }: Heavy): boolean =>
    closed === opened && Object.keys(statuses).join() === status;
const keptWaiting = ({ opened, statuses }: Heavy): boolean => opened > 0 && Object.keys(statuses).length === 0;

/** Memory: what the windows of so many connections may hold (256 KiB each way), and the heap's own movements. */
const trials: readonly Trial[] = [
  { kind: 'slow-heads', connections: 500, seconds: 4, maxGrowthMib: 48, isRight: keptWaiting },
  { kind: 'slow-bodies', connections: 500, seconds: 4, maxGrowthMib: 64, isRight: keptWaiting },
  { kind: 'slow-readers', connections: 100, seconds: 4, maxGrowthMib: 96, isRight: keptWaiting },
  {
    kind: 'oversize-body',
    connections: 1,
    seconds: 50,
    maxGrowthMib: 48,
    isRight: ({ last }) => last.includes(String(64 * 1024 * 1024)),
  },
  { kind: 'many-headers', connections: 20, seconds: 10, maxGrowthMib: 64, isRight: refusedWith('431') },
  { kind: 'endless-head', connections: 20, seconds: 10, maxGrowthMib: 64, isRight: refusedWith('431') },
  {
    kind: 'endless-target',
    connections: 20,
    seconds: 10,
    maxGrowthMib: 64,
    isRight: refusedWith('431'),
  },
  { kind: 'endless-chunk-line', connections: 20, seconds: 10, maxGrowthMib: 64, isRight: refusedWith('400') },
  {
    kind: 'endless-trailers',
    connections: 20,
    seconds: 10,
    maxGrowthMib: 64,
    isRight: refusedWith('431'),
  },
  { kind: 'deaf-pipeline', connections: 50, seconds: 4, maxGrowthMib: 96, isRight: keptWaiting },
  // Last: a backend that never reads keeps what its clients left behind.
  { kind: 'endless-bodies', connections: 50, seconds: 4, maxGrowthMib: 96, isRight: keptWaiting },
];

/** Ways of HTTP/2, as frames of a client without any restraint. */
const floods = [
  'rapid-reset',
  'made-you-reset',
  'settings',
  'ping',
  'continuation',
  'empty-data',
  'oversize-headers',
  'window-overflow',
  'unknown-frames',
  'giant-frame',
] as const;

interface Flooded {
  readonly framesSent: number;
  readonly isClosed: boolean;
  readonly goAway?: string;
}

const maxFrames = 2_000_000;

describe('clients that want to exhaust a waypoint', { skip }, () => {
  let hostile: HostileLab;

  before(async () => {
    hostile = await HostileLab.open('x');
  });

  after(async () => {
    await hostile[Symbol.asyncDispose]();
  });

  for (const kind of floods) {
    test(`a flood of HTTP/2: ${kind}`, async (context) => {
      const pid = hostile.waypointPid;
      const order = {
        kind,
        host: 'victim.proof.svc.cluster.local',
        port: 80,
        authority: 'a',
        isPlain: true,
        maxFrames,
      };
      const { result, growthMib, misled, slowestMs } = await hostile.during(() =>
        attack<Flooded>(hostile.proof.lab, attacker, 'frame-flood.ts', order),
      );
      context.diagnostic(
        `memory +${growthMib.toFixed(1)} MiB; others waited ${slowestMs.toFixed(0)} ms at most; ${JSON.stringify(result)}`,
      );
      assert.ok(result.isClosed || result.goAway !== undefined, JSON.stringify(result));
      assert.ok(result.framesSent < maxFrames);
      assert.deepEqual(misled, []);
      assert.ok(growthMib < 48, `${growthMib} MiB`);
      assert.ok(slowestMs < patienceMs, `${slowestMs} ms`);
      assert.equal(hostile.waypointPid, pid, 'the process is the one it was');
    });
  }

  test('20 clients that do not read stop nobody else who asks the same service', async () => {
    const order = {
      kind: 'slow-readers',
      host: 'victim.proof.svc.cluster.local',
      port: 80,
      connections: 20,
      seconds: 6,
    };
    const attacking = attack<Heavy>(hostile.proof.lab, attacker, 'heavy-clients.ts', order);
    let result: Heavy | undefined;
    const over = attacking.then((heavy) => (result = heavy));
    const misled: string[] = [];
    while (result === undefined) misled.push(...(await hostile.misled('victim', 1)));
    await over;
    assert.equal(result.opened, 20);
    assert.deepEqual(misled, []);
  });

  for (const { kind, connections, seconds, maxGrowthMib, isRight } of trials) {
    test(`${connections} × ${kind}`, async (context) => {
      const pid = hostile.waypointPid;
      const order = { kind, host: 'victim.proof.svc.cluster.local', port: 80, connections, seconds };
      const { result, growthMib, peakMib, misled, slowestMs } = await hostile.during(() =>
        attack<Heavy>(hostile.proof.lab, attacker, 'heavy-clients.ts', order),
      );
      context.diagnostic(
        `memory +${growthMib.toFixed(1)} to ${peakMib.toFixed(0)} MiB; others waited ${slowestMs.toFixed(0)} ms at most; ${JSON.stringify({ ...result, last: undefined })}`,
      );
      assert.ok(isRight(result), JSON.stringify(result));
      assert.deepEqual(misled, []);
      assert.ok(growthMib < maxGrowthMib, `${growthMib} MiB`);
      assert.ok(slowestMs < patienceMs, `${slowestMs} ms`);
      assert.equal(hostile.waypointPid, pid, 'the process is the one it was');
    });
  }
});
