/** A table of behaviour on the request path: the derived messages as configuration, requests as rules see them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { proxy as messages } from '@ambit/api';
import { parseIp } from '@ambit/net';
import { type PeerIdentity, peerIdentity } from '@ambit/policy';
import {
  behaviourNamespace,
  type BehaviourRequest,
  type BehaviourTable,
  derivedFile,
  hostOfEntry,
  substitute,
  substituteIn,
  TokenMint,
} from '@ambit/testing';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { parse } from 'yaml';

import type { DownstreamFacts } from '../request/downstream-facts.ts';
import type { FakeServerExchange, HeaderPairs } from '../request/test-support/fake-server-exchange.ts';
import { FakeUpstreams } from '../request/test-support/fake-upstreams.ts';
import { Lab, waypointFacts } from '../request/test-support/lab.ts';

interface Derived {
  readonly proxies: readonly JsonValue[];
  readonly destinations: Readonly<Record<string, JsonValue>>;
}

/** The clock of `Lab` when it starts. */
const labStartMs = Date.UTC(2026, 0, 1);

export class BehaviourLab {
  readonly #table: BehaviourTable;
  readonly #derived: Derived;
  readonly #mint = new TokenMint(labStartMs);
  readonly #tokens = new Map<string, string>();
  readonly #labs = new Map<string, Lab>();

  constructor(table: BehaviourTable) {
    this.#table = table;
    const derived: unknown = parse(readFileSync(derivedFile(table), 'utf8'));
    this.#derived = substituteIn(derived, (name) => this.#fillResource(name)) as Derived;
  }

  /** The proxy of `newLab`, the same for all requests of a client to a service. */
  labOf(service: string, request: BehaviourRequest): Lab {
    const key = JSON.stringify([service, request.as, request.from, request.port]);
    const known = this.#labs.get(key);
    if (known !== undefined) return known;
    const lab = this.newLab(service, request, new FakeUpstreams({ connectsAtOnce: true }));
    this.#labs.set(key, lab);
    return lab;
  }

  /** A proxy that serves one service of the table, whose clients are those of the request. */
  newLab(service: string, request: BehaviourRequest, upstreams: FakeUpstreams): Lab {
    const key = `${behaviourNamespace}/waypoint/${behaviourNamespace}/${hostOfEntry(service)}`;
    const destination = this.#derived.destinations[key];
    const [proxy] = this.#derived.proxies;
    assert.ok(destination !== undefined && proxy !== undefined, `${key} was not derived`);
    return new Lab({
      proxy: fromJson(messages.ProxySchema, proxy),
      destinations: [fromJson(messages.DestinationSchema, destination)],
      facts: factsOf(service, request),
      upstreams,
    });
  }

  /** Sends a request of the table; the backend, if it gets it, answers 200. */
  send(lab: Lab, request: BehaviourRequest): FakeServerExchange {
    const [method = '', target = ''] = splitOnce(this.fill(request.do));
    const headers: Record<string, string | readonly string[]> = {};
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      headers[name.toLowerCase()] = typeof value === 'string' ? this.fill(value) : value.map((one) => this.fill(one));
    }
    return lab.request({
      method,
      target,
      authority: request.host ?? 'shop.example.com',
      protocol: request.protocol ?? 'HTTP/1.1',
      headers: headers satisfies HeaderPairs,
    });
  }

  /** A text of the table with its tokens. */
  fill(text: string): string {
    return substitute(text, (name) => this.#token(name));
  }

  #token(name: string): string {
    const known = this.#tokens.get(name);
    if (known !== undefined) return known;
    const text = this.#table.tokens?.[name];
    assert.ok(text, `the table ${this.#table.name} has no token ${name}`);
    const minted = this.#mint.mint(text);
    this.#tokens.set(name, minted);
    return minted;
  }

  /** `${jwks:a,b}` */
  #fillResource(name: string): string {
    assert.ok(name.startsWith('jwks:'), name);
    return this.#mint.jwks(name.slice('jwks:'.length).split(','));
  }
}

function splitOnce(text: string): readonly string[] {
  const blank = text.indexOf(' ');
  return [text.slice(0, blank), text.slice(blank + 1)];
}

function factsOf(service: string, request: BehaviourRequest): DownstreamFacts {
  const hostname = hostOfEntry(service);
  const { from = '10.1.0.7', port = 80 } = request;
  const source = parseIp(from);
  assert.ok(source, from);
  return {
    ...waypointFacts,
    served: {
      kind: 'service',
      key: `${behaviourNamespace}/${hostname}`,
      namespace: behaviourNamespace,
      hostname,
      port,
    },
    peer: peerOf(request.as ?? 'frontend'),
    sourceIp: source.bytes,
    sourceAddress: from,
    destinationPort: port,
  };
}

/** `account`, `namespace/account`, `domain/ns/x/sa/y` or `nobody`. */
function peerOf(text: string): PeerIdentity | undefined {
  if (text === 'nobody') return undefined;
  const parts = text.split('/');
  const [first = '', second] = parts;
  if (parts.length === 5) return peerIdentity(first, parts[2] ?? '', parts[4] ?? '');
  return second === undefined
    ? peerIdentity('cluster.local', behaviourNamespace, first)
    : peerIdentity('cluster.local', first, second);
}
