import type { HeaderSink } from './hpack-decoder.ts';
import { isConnectionField, isFieldName, isFieldValue } from './header-field.ts';

/**
 * A received header list, checked while it is filled: field syntax, pseudo fields first, known, and not repeated.
 * What the combination must be is checked by `requestProblem`, `responseProblem` and `trailersProblem`.
 */
export class HeaderList implements HeaderSink {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
  status: string | undefined;
  /** Names and values of the regular fields, alternating. */
  readonly fields: string[] = [];
  /** The first breach of the rules, for the log; the message is malformed if set. */
  problem: string | undefined;

  onHeader(name: string, value: string): void {
    if (this.problem !== undefined) return;
    if (name.charCodeAt(0) === 58) {
      this.#pseudo(name, value);
    } else if (!isFieldName(name) || !isFieldValue(value) || isConnectionField(name, value)) {
      this.problem = 'illegal header field';
    } else {
      this.fields.push(name, value);
    }
  }

  /** The first value of a field, by lower-case name. */
  get(name: string): string | undefined {
    for (let i = 0; i < this.fields.length; i += 2) {
      if (this.fields[i] === name) return this.fields[i + 1];
    }
    return undefined;
  }

  #pseudo(name: string, value: string): void {
    if (this.fields.length > 0) {
      this.problem = 'pseudo field after a regular one';
      return;
    }
    switch (name) {
      case ':method':
        if (this.method === undefined && isFieldValue(value)) this.method = value;
        else this.problem = 'illegal or repeated :method';
        return;
      case ':scheme':
        if (this.scheme === undefined && isFieldValue(value)) this.scheme = value;
        else this.problem = 'illegal or repeated :scheme';
        return;
      case ':authority':
        if (this.authority === undefined && isFieldValue(value)) this.authority = value;
        else this.problem = 'illegal or repeated :authority';
        return;
      case ':path':
        if (this.path === undefined && isFieldValue(value)) this.path = value;
        else this.problem = 'illegal or repeated :path';
        return;
      case ':protocol':
        if (this.protocol === undefined && isFieldValue(value)) this.protocol = value;
        else this.problem = 'illegal or repeated :protocol';
        return;
      case ':status':
        if (this.status === undefined && /^[1-9][0-9]{2}$/.test(value)) this.status = value;
        else this.problem = 'illegal or repeated :status';
        return;
      default:
        this.problem = 'unknown pseudo field';
    }
  }
}

/**
 * Why a list is no legal request, or undefined. `isProtocolEnabled`: extended CONNECT was announced.
 * Spec: RFC 9113 sections 8.3.1 and 8.5, RFC 8441.
 */
export function requestProblem(list: HeaderList, isProtocolEnabled = false): string | undefined {
  if (list.problem !== undefined) return list.problem;
  if (list.status !== undefined) return ':status in a request';
  if (list.method === undefined || list.method === '') return 'no :method';
  if (list.method === 'CONNECT' && list.protocol === undefined) {
    if (list.scheme !== undefined || list.path !== undefined) return ':scheme or :path in CONNECT';
    return list.authority === undefined ? 'CONNECT without :authority' : undefined;
  }
  if (list.protocol !== undefined) {
    if (!isProtocolEnabled) return ':protocol without being enabled';
    if (list.method !== 'CONNECT' || list.authority === undefined) return ':protocol outside of CONNECT';
  }
  if (list.scheme === undefined || list.path === undefined || list.path === '') return 'no :scheme or :path';
  return undefined;
}

/** Why a list is no legal response head, or undefined. */
export function responseProblem(list: HeaderList): string | undefined {
  if (list.problem !== undefined) return list.problem;
  if (list.status === undefined) return 'no :status';
  return hasRequestPseudo(list) ? 'request pseudo field in a response' : undefined;
}

/** Why a list is no legal trailer section, or undefined. */
export function trailersProblem(list: HeaderList): string | undefined {
  if (list.problem !== undefined) return list.problem;
  return list.status !== undefined || hasRequestPseudo(list) ? 'pseudo field in trailers' : undefined;
}

function hasRequestPseudo(list: HeaderList): boolean {
  return (
    list.method !== undefined ||
    list.scheme !== undefined ||
    list.authority !== undefined ||
    list.path !== undefined ||
    list.protocol !== undefined
  );
}
