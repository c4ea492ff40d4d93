/** Many connections at once: some that are held and talk all the time, and new ones that come and go. */
import type { Lab } from '../../lab/lab.ts';
import { LabProgram, serviceFile } from './lab-program.ts';

/** What happened since the last look; held connections: since the beginning. */
export interface CrowdFigures {
  readonly held: number;
  readonly open: number;
  readonly broken: number;
  readonly reasons: readonly string[];
  /** Words that came back, over all held connections. */
  readonly words: number;
  /** Words of the held connection that has fewest. */
  readonly leastWords: number;
  readonly visits: {
    readonly ok: number;
    readonly failed: number;
    readonly slowestMs: number;
    readonly failures: Readonly<Record<string, number>>;
    /** Longest time in which no new connection worked. */
    readonly longestGapMs: number;
  };
}

const ANSWER_TIMEOUT_MS = 15_000;

export class Crowd implements AsyncDisposable {
  /** Where the connections go, for wording. */
  readonly route: string;
  readonly #program: LabProgram;

  private constructor(lab: Lab, pod: string, host: string, port: number, count: number) {
    this.route = `${pod} to ${host}`;
    this.#program = new LabProgram(lab, pod, [
      process.execPath,
      serviceFile(lab, 'crowd.ts'),
      host,
      String(port),
      String(count),
    ]);
  }

  /** Resolves when all held connections are open and have answered a word, and new ones work too. */
  static async gather(lab: Lab, pod: string, host: string, port: number, count: number): Promise<Crowd> {
    const crowd = new Crowd(lab, pod, host, port, count);
    try {
      await lab.waitFor(`${count} connections from ${crowd.route}`, async () => {
        const { open, leastWords, visits } = await crowd.look();
        return open === count && leastWords > 0 && visits.ok > 0;
      });
      return crowd;
    } catch (cause) {
      await crowd[Symbol.asyncDispose]();
      throw cause;
    }
  }

  look(): Promise<CrowdFigures> {
    return this.#order('look');
  }

  /** Ends the held connections the ordinary way and waits for what was still under way on them; new ones go on. */
  part(): Promise<CrowdFigures> {
    return this.#order('part');
  }

  /** Resolves when every held connection has had `words` more words answered, and `visits` new connections worked. */
  async liveOn(
    lab: Lab,
    { words = 10, visits = 20 }: { readonly words?: number; readonly visits?: number } = {},
  ): Promise<CrowdFigures> {
    const first = await this.look();
    let total = first;
    await lab.waitFor(`the connections from ${this.route} to go on`, async () => {
      total = addVisits(total, await this.look());
      return (
        total.broken > first.broken ||
        total.visits.failed > first.visits.failed ||
        (total.leastWords >= first.leastWords + words && total.visits.ok >= first.visits.ok + visits)
      );
    });
    return total;
  }

  async #order(word: string): Promise<CrowdFigures> {
    this.#program.say(word);
    const line = await this.#program.line(ANSWER_TIMEOUT_MS);
    if (line === undefined || line.startsWith('broken'))
      throw new Error(`the connections from ${this.route} ended: ${line ?? 'no answer'}`);
    // Our own program's line.
    const figures: CrowdFigures = JSON.parse(line);
    return figures;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

/** The later figures, with the visits of the earlier ones added. */
export function addVisits(earlier: CrowdFigures, later: CrowdFigures): CrowdFigures {
  const failures = { ...earlier.visits.failures };
  for (const [cause, count] of Object.entries(later.visits.failures)) failures[cause] = (failures[cause] ?? 0) + count;
  return {
    ...later,
    visits: {
      ok: earlier.visits.ok + later.visits.ok,
      failed: earlier.visits.failed + later.visits.failed,
      slowestMs: Math.max(earlier.visits.slowestMs, later.visits.slowestMs),
      failures,
      longestGapMs: Math.max(earlier.visits.longestGapMs, later.visits.longestGapMs),
    },
  };
}

/** One sentence about a crowd. */
export function describeCrowd({ held, broken, words, visits }: CrowdFigures): string {
  const causes = Object.entries(visits.failures)
    .map(([cause, count]) => `${count}x ${cause}`)
    .join(', ');
  return `${broken} of ${held} held connections lost (${words} words answered), ${visits.failed} of ${visits.ok + visits.failed} new ones lost${causes === '' ? '' : ` (${causes})`}`;
}
