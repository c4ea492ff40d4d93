import type { LiveConnection } from './pod-scope.ts';

interface Seen {
  readonly asked: number;
  readonly answered: number;
  /** The last bytes that were seen came from who asks. */
  readonly isWaiting: boolean;
}

/**
 * Tells which connections are between two exchanges. A proxy that has to go ends those first: a program that keeps a
 * connection for its next request takes a new one, and no request is cut that is under way.
 */
export class QuietConnections {
  #seen: ReadonlyMap<LiveConnection, Seen> = new Map();

  /** Those that were seen to be answered, and over which nothing went since the last call. */
  look(connections: Iterable<LiveConnection>): readonly LiveConnection[] {
    const quiet: LiveConnection[] = [];
    const seen = new Map<LiveConnection, Seen>();
    for (const connection of connections) {
      const traffic = connection.traffic();
      if (traffic === undefined) continue;
      const { asked, answered } = traffic;
      // Nobody knows what happened before the first look: it may wait for a slow answer.
      const before = this.#seen.get(connection) ?? { asked, answered, isWaiting: true };
      const isAnswered = answered !== before.answered;
      const isAsked = asked !== before.asked;
      if (!isAsked && !isAnswered && !before.isWaiting) quiet.push(connection);
      seen.set(connection, { asked, answered, isWaiting: !isAnswered && (isAsked || before.isWaiting) });
    }
    this.#seen = seen;
    return quiet;
  }
}
