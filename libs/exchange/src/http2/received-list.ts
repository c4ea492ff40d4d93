import { contentLengthOf, type HeaderList, isAuthority, isMethod, isPathTarget } from '@ambit/http';

import { FieldList } from '../field-list.ts';
import type { RequestHead, ResponseHead } from '../message-head.ts';

/** A message that is malformed: the stream is reset, or answered with `status` where it is known what was meant. */
export interface Malformed {
  readonly problem: string;
}

export function isMalformed(head: RequestHead | ResponseHead | Malformed): head is Malformed {
  return 'problem' in head;
}

/**
 * The request of a list that passed `requestProblem`. Checked here is what could be read differently after translation to
 * HTTP/1.1: method, target and authority hold the same octets as in a request line. `host` beside another `:authority` is
 * dropped; cookie crumbs are joined. Spec: RFC 9113 sections 8.2.3, 8.3.1 and 8.5.
 */
export function requestOf(list: HeaderList, isEnd: boolean): RequestHead | Malformed {
  const { method = '', path = '', protocol } = list;
  if (!isMethod(method)) return { problem: 'illegal :method' };
  const isConnect = method === 'CONNECT';
  if (!isConnect || protocol !== undefined) {
    if (list.scheme !== 'http' && list.scheme !== 'https') return { problem: 'illegal :scheme' };
    if (!isPathTarget(path) && !(path === '*' && method === 'OPTIONS')) return { problem: 'illegal :path' };
  }
  const fields = new FieldList();
  const own = takeFields(list, fields);
  if (own.problem !== undefined) return { problem: own.problem };
  const authority = list.authority ?? own.host ?? '';
  if (authority === '' ? list.authority !== undefined || !isConnect : !isAuthority(authority)) {
    return { problem: 'illegal :authority' };
  }
  if (isEnd && (own.contentLength ?? 0) > 0) return { problem: 'content-length without a body' };
  const hasBody = !isEnd && !isConnect;
  return {
    method,
    scheme: list.scheme === 'https' ? 'https' : 'http',
    authority,
    target: path,
    fields,
    protocol: 'HTTP/2',
    contentLength: hasBody ? own.contentLength : 0,
    hasBody,
    upgrade: protocol,
    expectsContinue: own.expectsContinue && hasBody,
  };
}

/** The response head of a list that passed `responseProblem`. */
export function responseOf(list: HeaderList): ResponseHead | Malformed {
  const fields = new FieldList();
  const own = takeFields(list, fields);
  if (own.problem !== undefined) return { problem: own.problem };
  return { status: Number(list.status), fields, contentLength: own.contentLength, upgrade: undefined };
}

/** The trailers of a list that passed `trailersProblem`; undefined if there are none. */
export function trailersOf(list: HeaderList): FieldList | undefined {
  if (list.fields.length === 0) return undefined;
  const fields = new FieldList();
  takeFields(list, fields);
  return fields.length === 0 ? undefined : fields;
}

interface OwnFields {
  host: string | undefined;
  contentLength: number | undefined;
  expectsContinue: boolean;
  problem: string | undefined;
}

/** Copies what is handed on, and reads what belongs to the connection. */
function takeFields(list: HeaderList, fields: FieldList): OwnFields {
  const own: OwnFields = { host: undefined, contentLength: undefined, expectsContinue: false, problem: undefined };
  const entries = list.fields;
  for (let i = 0; i < entries.length; i += 2) {
    const name = entries[i] ?? '';
    const value = entries[i + 1] ?? '';
    switch (name) {
      case 'host':
        if (own.host !== undefined || !isAuthority(value)) own.problem = 'repeated or illegal host';
        own.host = value;
        break;
      case 'content-length': {
        const length = contentLengthOf(value);
        if (length === undefined || own.contentLength !== undefined) own.problem = 'illegal or repeated content-length';
        own.contentLength = length;
        break;
      }
      case 'expect':
        if (value.toLowerCase() === '100-continue') own.expectsContinue = true;
        else own.problem = 'an expectation other than 100-continue';
        break;
      case 'cookie': {
        const crumbs = fields.get('cookie');
        if (crumbs === undefined) fields.add(name, value);
        else fields.set(name, `${crumbs}; ${value}`);
        break;
      }
      default:
        fields.add(name, value);
    }
  }
  return own;
}
