/**
 * Smuggling against a real waypoint: what Node and nginx behind it read, counted against what was asked. Whatever two programs could
 * read differently must not get through, and nobody else's connection may be given what is left of it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attack } from '../demo/observe/attack.ts';
import { attacker, HostileLab, witnesses } from './hostile-lab.ts';
import { readAnswer } from './proof-lab.ts';
import { http2SmugglingMatrix, smugglingMatrix } from './smuggling-matrix.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const maxGrowthMib = 32;

const matrix = smugglingMatrix();
const honest = new Set(matrix.flatMap(({ id, isSecondRequest }) => (isSecondRequest ? [`/smuggled/${id}`] : [])));

describe('smuggling at a waypoint', { skip }, () => {
  let hostile: HostileLab;

  before(async () => {
    hostile = await HostileLab.open('s');
  });

  after(async () => {
    await hostile[Symbol.asyncDispose]();
  });

  /** No hidden request, no request twice, nothing that could not be read, no answer for somebody else. */
  const check = async (witness: string, ids: readonly string[], misled: readonly string[]): Promise<number> => {
    const others = await hostile.misled(witness, 50);
    const { requests, unreadable } = await hostile.witnessed(witness);
    const asked = requests.map((line) => line.split(' ')[1] ?? '').filter((path) => !honest.has(path));
    assert.ok(
      asked.some((path) => path.startsWith('/innocent/')),
      `${witness} saw nothing at all`,
    );
    assert.deepEqual(
      asked.filter((path) => path.startsWith('/smuggled') || !/^\/(?:ok|innocent)\//.test(path)),
      [],
      `${witness} read what nobody asked for`,
    );
    assert.deepEqual(unreadable, [], `${witness} was sent what is no request`);
    const count = (id: string): number => asked.filter((path) => path === `/ok/${id}`).length;
    assert.deepEqual(
      ids.filter((id) => count(id) > 1),
      [],
      `${witness} read a request twice`,
    );
    assert.deepEqual([...misled, ...others], [], 'answers of other requests');
    return ids.filter((id) => count(id) > 0).length;
  };

  for (const witness of witnesses) {
    test(`${matrix.length} requests of HTTP/1.1 hide nothing from ${witness}`, async (context) => {
      await hostile.forget();
      const pid = hostile.waypointPid;
      const requests = matrix.map(({ text }) => ({
        host: `${witness}.proof.svc.cluster.local`,
        port: 80,
        text,
        isHalfClosed: true,
      }));
      const { result, growthMib, misled } = await hostile.during(() => hostile.proof.send(attacker, requests, 8, 3000));
      const passed = await check(
        witness,
        matrix.map(({ id }) => id),
        misled,
      );
      const refused = result.filter(({ text }) => (readAnswer(text)?.status ?? 0) >= 400).length;
      context.diagnostic(`${passed} passed in one reading, ${refused} refused; memory +${growthMib.toFixed(1)} MiB`);
      assert.ok(refused > matrix.length / 2, `${refused} refused`);
      assert.ok(passed > 0, 'what is only unusual passes');
      assert.ok(growthMib < maxGrowthMib, `${growthMib} MiB`);
      assert.equal(hostile.waypointPid, pid);
    });
  }

  const http2 = http2SmugglingMatrix();
  for (const witness of witnesses) {
    test(`${http2.length} requests of HTTP/2 hide nothing from ${witness} of HTTP/1.1`, async (context) => {
      await hostile.forget();
      const pid = hostile.waypointPid;
      const requests = http2.map(({ id: _, ...rest }) => ({
        host: `${witness}.proof.svc.cluster.local`,
        port: 80,
        ...rest,
      }));
      const { result, growthMib, misled } = await hostile.during(() =>
        attack<readonly string[]>(hostile.proof.lab, attacker, 'raw-http2.ts', {
          requests,
          concurrency: 8,
          patienceMs: 3000,
        }),
      );
      const passed = await check(
        witness,
        http2.map(({ id }) => id),
        misled,
      );
      const refused = result.filter((ending) => /^(?:status 4|reset|goaway)/.test(ending)).length;
      context.diagnostic(`${passed} passed in one reading, ${refused} refused; memory +${growthMib.toFixed(1)} MiB`);
      assert.ok(refused > http2.length / 2, JSON.stringify(result));
      assert.ok(growthMib < maxGrowthMib, `${growthMib} MiB`);
      assert.equal(hostile.waypointPid, pid);
    });
  }
});
