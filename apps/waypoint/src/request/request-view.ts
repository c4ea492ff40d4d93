/** A request as rules look at it: policies, tokens and routes read the same head, each in its own words. */
import type { RequestHead } from '@ambit/exchange';
import type { HttpFacts, PeerIdentity, RequestFacts, TokenBearer, TokenClaims } from '@ambit/policy';
import { type CorsRequest, queryParameter, type RoutedRequest } from '@ambit/routing';

import type { DownstreamFacts } from './downstream-facts.ts';

/** Made once the target is in its one form. Reads the head as it is at the time of the question. */
export class RequestView implements RoutedRequest, HttpFacts, TokenBearer, RequestFacts {
  readonly head: RequestHead;
  readonly facts: DownstreamFacts;
  readonly path: string;
  /** Of the original client as far as it can be believed; see contract l7 5.3. */
  readonly remoteIp: Uint8Array;
  /** What the client used, told by the listener or a proxy that is believed. */
  readonly scheme: string;
  query: string;
  /** Set once a token has been verified. */
  token: TokenClaims | undefined;

  constructor(
    head: RequestHead,
    facts: DownstreamFacts,
    target: { readonly path: string; readonly query: string },
    remoteIp: Uint8Array,
    scheme: string,
  ) {
    this.head = head;
    this.facts = facts;
    this.path = target.path;
    this.query = target.query;
    this.remoteIp = remoteIp;
    this.scheme = scheme;
  }

  get method(): string {
    return this.head.method;
  }

  get authority(): string {
    return this.head.authority;
  }

  get host(): string {
    return this.head.authority;
  }

  get peer(): PeerIdentity | undefined {
    return this.facts.peer;
  }

  get sourceIp(): Uint8Array {
    return this.facts.sourceIp;
  }

  get destinationIp(): Uint8Array {
    return this.facts.destinationIp;
  }

  get destinationPort(): number {
    return this.facts.destinationPort;
  }

  get serverName(): string | undefined {
    return this.facts.serverName;
  }

  get http(): HttpFacts {
    return this;
  }

  header(lowerName: string): string | undefined {
    switch (lowerName) {
      case 'host':
      case ':authority':
        return this.head.authority;
      case ':method':
        return this.head.method;
      case ':path':
        return this.path + this.query;
      case ':scheme':
        return this.scheme;
      default:
        return this.head.fields.joined(lowerName);
    }
  }

  repeatedHeader(lowerName: string): readonly string[] | undefined {
    const { fields } = this.head;
    let first = -1;
    let values: string[] | undefined;
    for (let i = 0; i < fields.length; i++) {
      if (fields.nameAt(i) !== lowerName) continue;
      if (first < 0) first = i;
      else (values ??= [fields.valueAt(first)]).push(fields.valueAt(i));
    }
    return values;
  }

  claim(path: readonly string[]): readonly string[] {
    return this.token === undefined ? none : this.token.claim(path);
  }

  queryParameter(name: string): string | undefined {
    const value = queryParameter(this.query, name);
    if (value === undefined || !value.includes('%')) return value;
    try {
      return decodeURIComponent(value);
    } catch {
      return value;
    }
  }
}

const none: readonly string[] = [];

/** What a request says of its origin. */
export function corsRequest(view: RequestView): CorsRequest {
  return {
    method: view.method,
    origin: view.header('origin'),
    requestedMethod: view.header('access-control-request-method'),
    requestedHeaders: view.header('access-control-request-headers'),
  };
}
