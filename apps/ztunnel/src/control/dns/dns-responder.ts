/**
 * One query in, one reply out: local answer, upstream answer, or an error reply. No sockets of its own.
 *
 * Istio: only A and AAAA are answered from the mesh's services; all else goes upstream; an unknown client and a failed
 * upstream get SERVFAIL; a known name without an address of the asked family gets an empty answer.
 */
import type { Question } from 'dns-packet';
import type { AddressFamily, NameAnswer } from './dns-answer.ts';
import { askedFamily, decodeQuery, encodeAnswer, encodeError, rcode, truncateForUdp } from './dns-answer.ts';

export type DnsTransport = 'udp' | 'tcp';

export interface DnsRequestFacts {
  readonly type: string;
  readonly transport: DnsTransport;
}

/** Told what happens to each request; for the `istio_dns_*` metrics and the debug log. */
export interface DnsObserver {
  onRequest(facts: DnsRequestFacts): void;
  onUpstreamRequest(facts: DnsRequestFacts): void;
  onUpstreamDone(facts: DnsRequestFacts, durationMs: number, failed: boolean): void;
}

export interface DnsResponderOptions {
  readonly resolve: (name: string, family: AddressFamily) => NameAnswer;
  readonly ask: (query: Buffer, transport: DnsTransport, options: { readonly signal: AbortSignal }) => Promise<Buffer>;
  readonly observer: DnsObserver;
  readonly random: () => number;
  readonly nowMs: () => number;
}

export class DnsResponder {
  readonly #options: DnsResponderOptions;

  constructor(options: DnsResponderOptions) {
    this.#options = options;
  }

  /** The reply, or undefined when the bytes are not a query that deserves one. */
  async respond(
    bytes: Buffer,
    transport: DnsTransport,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Buffer | undefined> {
    const query = decodeQuery(bytes);
    if (!query) return undefined;
    const { packet, question } = query;
    const facts: DnsRequestFacts = { type: question.type, transport };
    this.#options.observer.onRequest(facts);
    const family = askedFamily(question);
    const answer: NameAnswer =
      family === undefined ? { kind: 'forward' } : this.#options.resolve(canonicalName(question), family);
    switch (answer.kind) {
      case 'addresses': {
        const addresses = shuffle(answer.addresses, this.#options.random);
        const reply = encodeAnswer(
          packet,
          question,
          answer.alias === undefined ? { addresses } : { addresses, alias: answer.alias },
        );
        return transport === 'udp' ? truncateForUdp(packet, question, reply) : reply;
      }
      case 'empty':
        return encodeAnswer(packet, question, { addresses: [] });
      case 'unknown-client':
        return encodeError(packet, question, rcode.serverFailure);
      case 'forward':
        return (await this.#forward(bytes, facts, signal)) ?? encodeError(packet, question, rcode.serverFailure);
    }
  }

  async #forward(bytes: Buffer, facts: DnsRequestFacts, signal: AbortSignal): Promise<Buffer | undefined> {
    const { observer, ask, nowMs } = this.#options;
    observer.onUpstreamRequest(facts);
    const startMs = nowMs();
    try {
      const reply = await ask(bytes, facts.transport, { signal });
      observer.onUpstreamDone(facts, nowMs() - startMs, false);
      return reply;
    } catch {
      // Every failure upstream is one answer to the client; the observer counts it.
      observer.onUpstreamDone(facts, nowMs() - startMs, true);
      return undefined;
    }
  }
}

function canonicalName(question: Question): string {
  const name = question.name.toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** Fisher-Yates on a copy. */
function shuffle(addresses: readonly string[], random: () => number): readonly string[] {
  const mixed = [...addresses];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const pick = Math.floor(random() * (last + 1));
    const [a, b] = [mixed[last], mixed[pick]];
    if (a !== undefined && b !== undefined) [mixed[last], mixed[pick]] = [b, a];
  }
  return mixed;
}
