/**
 * Builds the reply to one query from what the workload store says of its name. Pure.
 *
 * Spec: RFC 1035, RFC 6891 (EDNS). Istio: answers are authoritative, TTL 30, only A and AAAA are answered here.
 */
import type { Answer, DecodedPacket, Packet, Question } from 'dns-packet';
import * as dns from 'dns-packet';

/** What the store knows of a name; addresses are canonical text of the asked family. */
export type NameAnswer =
  | {
      readonly kind: 'addresses';
      readonly addresses: readonly string[];
      /** Name the addresses belong to, when a search suffix was stripped. */ readonly alias?: string;
    }
  /** The name is known and has no address of this family: an empty answer, never forwarded. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'forward' }
  /** The asking workload is not known yet. */
  | { readonly kind: 'unknown-client' };

export type AddressFamily = 4 | 6;

const HEADER_BYTES = 12;
/** Opcode bits of the third byte; 0 is QUERY. */
const OPCODE_MASK = 0x78;
const TTL_SEC = 30;
/** Istio: EDNS payload below this is raised to it. */
const MIN_UDP_PAYLOAD = 512;
const MAX_UDP_PAYLOAD = 4096;

export const rcode = { noError: 0, formatError: 1, serverFailure: 2, notImplemented: 4 } as const;

/** Decodes a query; undefined for what is no query with exactly one question. */
export function decodeQuery(
  bytes: Buffer,
): { readonly packet: DecodedPacket; readonly question: Question } | undefined {
  // Two questions in one packet are legal and unused; a count is checked before dns-packet allocates for it.
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(4) !== 1 || bytes.readUInt16BE(6) !== 0) return undefined;
  if ((bytes.readUInt8(2) & OPCODE_MASK) !== 0) return undefined;
  try {
    const packet = dns.decode(bytes);
    const question = packet.questions?.[0];
    return packet.type === 'query' && question ? { packet, question } : undefined;
  } catch {
    // dns-packet throws plain errors on malformed input; the packet is not a query then.
    return undefined;
  }
}

/** The family a question asks for, or undefined when it is not about addresses. */
export function askedFamily(question: Question): AddressFamily | undefined {
  if (question.class !== undefined && question.class !== 'IN') return undefined;
  if (question.type === 'A') return 4;
  return question.type === 'AAAA' ? 6 : undefined;
}

/** Encodes an authoritative reply. Addresses are in the order given; the caller shuffles. */
export function encodeAnswer(
  query: DecodedPacket,
  question: Question,
  answer: { readonly addresses: readonly string[]; readonly alias?: string },
): Buffer {
  const type = question.type === 'AAAA' ? 'AAAA' : 'A';
  const owner = answer.alias ?? question.name;
  const answers: Answer[] = [];
  if (answer.alias !== undefined)
    answers.push({ type: 'CNAME', name: question.name, ttl: TTL_SEC, data: answer.alias });
  for (const address of answer.addresses) answers.push({ type, name: owner, ttl: TTL_SEC, data: address });
  return encodeReply(query, question, answers, rcode.noError, dns.AUTHORITATIVE_ANSWER);
}

/** Encodes a reply without answers and with an error code. */
export function encodeError(query: DecodedPacket, question: Question, code: number): Buffer {
  return encodeReply(query, question, [], code, 0);
}

function encodeReply(query: DecodedPacket, question: Question, answers: Answer[], code: number, flags: number): Buffer {
  const reply: Packet = {
    type: 'response',
    id: query.id ?? 0,
    // The low four bits of the flags are the response code.
    flags: flags | dns.RECURSION_AVAILABLE | (query.flag_rd ? dns.RECURSION_DESIRED : 0) | code,
    questions: [question],
    answers,
  };
  if (hasEdns(query)) reply.additionals = [ednsRecord(udpPayload(query))];
  return dns.encode(reply);
}

/** Largest UDP reply the client takes. Spec: RFC 6891 section 6.2.3. */
export function udpPayload(query: DecodedPacket): number {
  const record = query.additionals?.find((additional) => additional.type === 'OPT');
  if (record?.type !== 'OPT') return MIN_UDP_PAYLOAD;
  return Math.min(MAX_UDP_PAYLOAD, Math.max(MIN_UDP_PAYLOAD, record.udpPayloadSize));
}

function hasEdns(query: DecodedPacket): boolean {
  return query.additionals?.some((additional) => additional.type === 'OPT') ?? false;
}

function ednsRecord(udpPayloadSize: number): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}

/** Cuts a reply that does not fit to its header and question and marks it truncated, so that the client asks by TCP. */
export function truncateForUdp(query: DecodedPacket, question: Question, reply: Buffer): Buffer {
  if (reply.length <= udpPayload(query)) return reply;
  return encodeReply(query, question, [], rcode.noError, dns.TRUNCATED_RESPONSE | dns.AUTHORITATIVE_ANSWER);
}
