import { equalsLower } from './field-slices.ts';
import { Http1Error } from './http1-error.ts';
import type { Http1Head } from './http1-head.ts';
import { isAuthorityOctet, isDigit, isFieldValueOctet, isTargetOctet, isTokenOctet } from './octet-class.ts';

/**
 * Reads complete heads, strictly: whatever two programs are known to read differently is an error.
 * Refused: line ends other than CRLF, controls, folded lines, space before a colon, more than one space in the start line,
 * versions other than 1.0 and 1.1, no or several Hosts, a second Content-Length, Content-Length beside Transfer-Encoding,
 * transfer codings other than one `chunked`. Spec: RFC 9112; stricter where it allows a choice.
 */

const cr = 0x0d;
const lf = 0x0a;
const space = 0x20;
const tab = 0x09;
const colon = 0x3a;
const slash = 0x2f;
const http1Dot = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e] as const;
/** Longest Content-Length: 15 digits are exact as a number, and a petabyte. */
const maxLengthDigits = 15;
/** Longest method; registered ones have at most 17 letters. */
const maxMethodBytes = 32;

/** Fills `head` from a request head that ends, with its empty line, at `to`. Throws Http1Error. */
export function scanRequestHead(
  head: Http1Head,
  buffer: Uint8Array,
  from: number,
  to: number,
  maxFields: number,
): void {
  head.reset(buffer);
  let at = from;
  while (at < to && isTokenOctet(buffer[at] ?? 0)) at += 1;
  if (at === from || at - from > maxMethodBytes || buffer[at] !== space) throw startLine('request_line', buffer, at);
  head.methodFrom = from;
  head.methodTo = at;
  at += 1;
  head.targetFrom = at;
  while (at < to && isTargetOctet(buffer[at] ?? 0)) at += 1;
  if (at === head.targetFrom || buffer[at] !== space) throw startLine('request_line', buffer, at);
  head.targetTo = at;
  head.minorVersion = minorVersion(buffer, at + 1, to);
  at = lineEnd(buffer, at + 1 + http1Dot.length + 1);
  checkTarget(head, buffer);
  scanFields(head, buffer, at, to, maxFields);
  if (head.hostIndex < 0 && head.minorVersion === 1) throw new Http1Error('host', 'no Host');
  checkFraming(head);
}

/** Fills `head` from a response head that ends, with its empty line, at `to`. Throws Http1Error. */
export function scanResponseHead(
  head: Http1Head,
  buffer: Uint8Array,
  from: number,
  to: number,
  maxFields: number,
): void {
  head.reset(buffer);
  head.minorVersion = minorVersion(buffer, from, to);
  let at = from + http1Dot.length + 1;
  if (buffer[at] !== space) throw new Http1Error('status_line', 'no space after the version');
  at += 1;
  let status = 0;
  for (let i = 0; i < 3; i++, at++) {
    const octet = buffer[at] ?? 0;
    if (!isDigit(octet)) throw new Http1Error('status_line', 'the status is not three digits');
    status = status * 10 + octet - 0x30;
  }
  if (status < 100) throw new Http1Error('status_line', `status ${status}`);
  head.status = status;
  // Servers without a reason phrase often leave its space out too; nobody reads that differently.
  if (buffer[at] === space) {
    while (at < to && isFieldValueOctet(buffer[at] ?? 0)) at += 1;
  }
  at = lineEnd(buffer, at);
  scanFields(head, buffer, at, to, maxFields);
  checkFraming(head);
}

/** Checks a trailer section that ends, with its empty line, at `to`; framing and routing fields are not allowed there. */
export function scanTrailers(head: Http1Head, buffer: Uint8Array, from: number, to: number, maxFields: number): void {
  head.reset(buffer);
  scanFields(head, buffer, from, to, maxFields);
  if (head.hostIndex >= 0 || head.contentLength !== undefined || head.isChunked) {
    throw new Http1Error('trailers', 'framing or routing field in trailers');
  }
}

function minorVersion(buffer: Uint8Array, from: number, to: number): number {
  if (from + http1Dot.length >= to) throw new Http1Error('version', 'no version');
  for (let i = 0; i < http1Dot.length; i++) {
    if (buffer[from + i] !== http1Dot[i]) throw versionError(buffer, from);
  }
  const minor = (buffer[from + http1Dot.length] ?? 0) - 0x30;
  if (minor !== 0 && minor !== 1) throw versionError(buffer, from);
  return minor;
}

function versionError(buffer: Uint8Array, from: number): Http1Error {
  // HTTP/2.0 and the like are versions; everything else in this place is a broken line.
  const isVersion = buffer[from] === 0x48 && buffer[from + 4] === slash && isDigit(buffer[from + 5] ?? 0);
  return isVersion
    ? new Http1Error('version', 'version other than 1.0 and 1.1', 505)
    : new Http1Error('request_line', 'no HTTP version');
}

/** The position after CRLF at `at`. */
function lineEnd(buffer: Uint8Array, at: number): number {
  if (buffer[at] !== cr || buffer[at + 1] !== lf) throw new Http1Error('line_ending', 'a line does not end with CRLF');
  return at + 2;
}

function startLine(breach: 'request_line' | 'status_line', buffer: Uint8Array, at: number): Http1Error {
  const octet = buffer[at] ?? 0;
  return octet === lf || octet === cr
    ? new Http1Error('line_ending', 'the first line ends too early')
    : new Http1Error(breach, `unexpected octet ${octet} in the first line`);
}

function checkTarget(head: Http1Head, buffer: Uint8Array): void {
  const { targetFrom: from, targetTo: to } = head;
  const isConnect = to > 0 && equalsExactly(buffer, head.methodFrom, head.methodTo, 'CONNECT');
  if (isConnect) {
    if (!isAuthority(buffer, from, to)) throw new Http1Error('target', 'CONNECT wants host:port');
    return;
  }
  const first = buffer[from];
  if (first === slash) return;
  if (first === 0x2a && to - from === 1 && equalsExactly(buffer, head.methodFrom, head.methodTo, 'OPTIONS')) return;
  const scheme = equalsLower(buffer, from, Math.min(from + 7, to), 'http://')
    ? 7
    : equalsLower(buffer, from, Math.min(from + 8, to), 'https://')
      ? 8
      : 0;
  if (scheme === 0) throw new Http1Error('target', 'the target is neither a path nor a URI');
  let end = from + scheme;
  while (end < to && buffer[end] !== slash && buffer[end] !== 0x3f) end += 1;
  if (!isAuthority(buffer, from + scheme, end)) throw new Http1Error('target', 'illegal authority in the target');
}

function scanFields(head: Http1Head, buffer: Uint8Array, start: number, to: number, maxFields: number): void {
  let at = start;
  // The caller found the empty line, so that the last two octets are CRLF and no loop runs past them.
  while (at < to - 2) {
    const nameFrom = at;
    while (isTokenOctet(buffer[at] ?? 0)) at += 1;
    if (at === nameFrom || buffer[at] !== colon) {
      const octet = buffer[at] ?? 0;
      throw octet === lf || octet === cr
        ? new Http1Error('line_ending', 'a line without a colon')
        : new Http1Error('field_syntax', `octet ${octet} in a field name`);
    }
    const nameTo = at;
    at += 1;
    while (buffer[at] === space || buffer[at] === tab) at += 1;
    const valueFrom = at;
    while (isFieldValueOctet(buffer[at] ?? 0)) at += 1;
    let valueTo = at;
    while (valueTo > valueFrom && (buffer[valueTo - 1] === space || buffer[valueTo - 1] === tab)) valueTo -= 1;
    if (buffer[at] !== cr && buffer[at] !== lf) {
      throw new Http1Error('field_syntax', `control ${buffer[at] ?? 0} in a field value`);
    }
    at = lineEnd(buffer, at);
    head.fields.add(nameFrom, nameTo, valueFrom, valueTo, maxFields);
    noteField(head, buffer, head.fields.count - 1);
  }
}

/** Takes in what the fields mean that decide about framing and the connection. */
function noteField(head: Http1Head, buffer: Uint8Array, index: number): void {
  const { fields } = head;
  switch (fields.nameTo(index) - fields.nameFrom(index)) {
    case 4:
      if (fields.isNamed(index, 'host')) noteHost(head, buffer, index);
      return;
    case 6:
      if (fields.isNamed(index, 'expect')) noteExpectation(head, index);
      return;
    case 7:
      if (fields.isNamed(index, 'upgrade')) head.asksUpgrade = true;
      return;
    case 10:
      if (fields.isNamed(index, 'connection')) head.connectionIndexes.push(index);
      return;
    case 14:
      if (fields.isNamed(index, 'content-length')) noteContentLength(head, buffer, index);
      return;
    case 17:
      if (fields.isNamed(index, 'transfer-encoding')) noteTransferEncoding(head, buffer, index);
      return;
    default:
  }
}

function noteHost(head: Http1Head, buffer: Uint8Array, index: number): void {
  if (head.hostIndex >= 0) throw new Http1Error('host', 'more than one Host');
  if (!isAuthority(buffer, head.fields.valueFrom(index), head.fields.valueTo(index))) {
    throw new Http1Error('host', 'illegal Host');
  }
  head.hostIndex = index;
}

function noteExpectation(head: Http1Head, index: number): void {
  const { fields } = head;
  if (!equalsLower(fields.buffer, fields.valueFrom(index), fields.valueTo(index), '100-continue')) {
    throw new Http1Error('field_syntax', 'an expectation other than 100-continue', 417);
  }
  head.expectsContinue = true;
}

function noteContentLength(head: Http1Head, buffer: Uint8Array, index: number): void {
  if (head.contentLength !== undefined) throw new Http1Error('content_length', 'more than one Content-Length');
  const from = head.fields.valueFrom(index);
  const to = head.fields.valueTo(index);
  if (to === from || to - from > maxLengthDigits) throw new Http1Error('content_length', 'illegal Content-Length');
  let length = 0;
  for (let at = from; at < to; at++) {
    const octet = buffer[at] ?? 0;
    if (!isDigit(octet)) throw new Http1Error('content_length', 'illegal Content-Length');
    length = length * 10 + octet - 0x30;
  }
  head.contentLength = length;
}

function noteTransferEncoding(head: Http1Head, buffer: Uint8Array, index: number): void {
  const isOnlyChunked = equalsLower(buffer, head.fields.valueFrom(index), head.fields.valueTo(index), 'chunked');
  if (!isOnlyChunked || head.isChunked) {
    throw new Http1Error('transfer_encoding', 'a transfer coding other than one chunked', 501);
  }
  head.isChunked = true;
}

function checkFraming(head: Http1Head): void {
  if (head.isChunked && head.contentLength !== undefined) {
    throw new Http1Error('framing', 'Content-Length beside Transfer-Encoding');
  }
  if (head.isChunked && head.minorVersion === 0) {
    throw new Http1Error('framing', 'Transfer-Encoding in HTTP/1.0');
  }
  let namesUpgrade = false;
  for (const index of head.connectionIndexes) namesUpgrade = noteConnection(head, index) || namesUpgrade;
  head.asksUpgrade &&= namesUpgrade;
}

/** Reads the tokens of a Connection field; says whether `upgrade` is one. */
function noteConnection(head: Http1Head, index: number): boolean {
  const plain = head.plainConnection(index);
  if (plain !== undefined) {
    head.persistence = plain === 'close' || head.persistence === 'close' ? 'close' : 'keep-alive';
    return false;
  }
  let namesUpgrade = false;
  for (const part of head.fields.value(index).split(',')) {
    const token = part.trim().toLowerCase();
    if (token === 'close') head.persistence = 'close';
    else if (token === 'keep-alive') head.persistence = head.persistence === 'close' ? 'close' : 'keep-alive';
    else if (token === 'upgrade') namesUpgrade = true;
    else if (neverHopByHop.has(token)) {
      throw new Http1Error('connection_field', `Connection names ${token}`);
    }
  }
  return namesUpgrade;
}

/** Fields that a sender must not have removed on the way: they decide where a request goes and where it ends. */
const neverHopByHop: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'authorization',
  'cookie',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-request-id',
]);

/** A host, a host with port, or an address in brackets with or without port. */
function isAuthority(buffer: Uint8Array, from: number, to: number): boolean {
  if (from === to) return false;
  let at = from;
  if (buffer[at] === 0x5b) {
    while (at < to && buffer[at] !== 0x5d) at += 1;
    if (at === to) return false;
    at += 1;
  } else {
    while (at < to && buffer[at] !== colon) {
      if (buffer[at] === 0x5b || buffer[at] === 0x5d || !isAuthorityOctet(buffer[at] ?? 0)) return false;
      at += 1;
    }
  }
  for (let i = from; i < at; i++) if (!isAuthorityOctet(buffer[i] ?? 0)) return false;
  if (at === to) return true;
  if (buffer[at] !== colon || at === from || to - at > 6) return false;
  for (let i = at + 1; i < to; i++) if (!isDigit(buffer[i] ?? 0)) return false;
  return true;
}

function equalsExactly(buffer: Uint8Array, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (buffer[from + i] !== text.charCodeAt(i)) return false;
  return true;
}
