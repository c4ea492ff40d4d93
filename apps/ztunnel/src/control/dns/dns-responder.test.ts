import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as dns from 'dns-packet';
import type { DecodedPacket, Packet } from 'dns-packet';
import type { NameAnswer } from './dns-answer.ts';
import { DnsResponder } from './dns-responder.ts';
import type { DnsTransport } from './dns-responder.ts';
import { parseNameservers } from './resolver-config.ts';

interface Rig {
  readonly responder: DnsResponder;
  readonly asked: string[];
  readonly events: string[];
}

function rig(answers: Readonly<Record<string, NameAnswer>>, upstream?: (query: Buffer) => Buffer): Rig {
  const asked: string[] = [];
  const events: string[] = [];
  const responder = new DnsResponder({
    resolve: (name, family) => answers[`${name}/${family}`] ?? { kind: 'forward' },
    ask: (query) => {
      asked.push(dns.decode(query).questions?.[0]?.name ?? '');
      return upstream ? Promise.resolve(upstream(query)) : Promise.reject(new Error('unreachable'));
    },
    observer: {
      onRequest: ({ type, transport }) => events.push(`request ${type} ${transport}`),
      onUpstreamRequest: ({ type }) => events.push(`upstream ${type}`),
      onUpstreamDone: (_facts, _durationMs, failed) => events.push(failed ? 'failed' : 'done'),
    },
    random: () => 0,
    nowMs: () => 0,
  });
  return { responder, asked, events };
}

async function ask(
  r: Rig,
  packet: Packet,
  transport: DnsTransport = 'udp',
): Promise<DecodedPacket & { readonly rcode: string }> {
  const reply = await r.responder.respond(
    dns.encode({ type: 'query', id: 7, flags: dns.RECURSION_DESIRED, ...packet }),
    transport,
    { signal: new AbortController().signal },
  );
  assert.ok(reply);
  return { ...dns.decode(reply), rcode: (reply.readUInt8(3) & 0xf) === 2 ? 'SERVFAIL' : 'NOERROR' };
}

describe('DnsResponder', () => {
  test('answers a known name with authority, TTL 30 and the id of the query, whatever the case of the name', async () => {
    const r = rig({ 'db.shop/4': { kind: 'addresses', addresses: ['10.0.0.1'] } });
    const reply = await ask(r, { questions: [{ type: 'A', name: 'DB.shop' }] });
    assert.equal(reply.id, 7);
    assert.equal(reply.flag_aa, true);
    assert.deepEqual(
      reply.answers?.map((answer) =>
        'data' in answer ? [answer.type, answer.name, answer.data, 'ttl' in answer && answer.ttl] : [],
      ),
      [['A', 'DB.shop', '10.0.0.1', 30]],
    );
    assert.deepEqual(r.asked, []);
  });

  test('puts a CNAME first when the name was found without its search suffix', async () => {
    const r = rig({ 'db.shop.svc.cluster.local/4': { kind: 'addresses', addresses: ['10.0.0.1'], alias: 'db' } });
    const reply = await ask(r, { questions: [{ type: 'A', name: 'db.shop.svc.cluster.local' }] });
    assert.deepEqual(
      reply.answers?.map((answer) => [answer.type, answer.name]),
      [
        ['CNAME', 'db.shop.svc.cluster.local'],
        ['A', 'db'],
      ],
    );
  });

  test('a known name without an address of the family gets an empty answer and is not forwarded', async () => {
    const r = rig({ 'db.shop/6': { kind: 'empty' } });
    const reply = await ask(r, { questions: [{ type: 'AAAA', name: 'db.shop' }] });
    assert.equal(reply.rcode, 'NOERROR');
    assert.deepEqual(reply.answers, []);
    assert.deepEqual(r.asked, []);
  });

  test('an unknown client gets SERVFAIL', async () => {
    const reply = await ask(rig({ 'db.shop/4': { kind: 'unknown-client' } }), {
      questions: [{ type: 'A', name: 'db.shop' }],
    });
    assert.equal(reply.rcode, 'SERVFAIL');
  });

  test('other names and other types are forwarded as they are', async () => {
    const r = rig({}, (query) =>
      dns.encode({
        type: 'response',
        id: query.readUInt16BE(0),
        answers: [{ type: 'TXT', name: 'example.org', data: 'hi' }],
      }),
    );
    const reply = await ask(r, { questions: [{ type: 'TXT', name: 'example.org' }] });
    assert.equal(reply.answers?.length, 1);
    assert.deepEqual(r.asked, ['example.org']);
    assert.deepEqual(r.events, ['request TXT udp', 'upstream TXT', 'done']);
  });

  test('a failed upstream is SERVFAIL and counted', async () => {
    const r = rig({});
    const reply = await ask(r, { questions: [{ type: 'A', name: 'example.org' }] }, 'tcp');
    assert.equal(reply.rcode, 'SERVFAIL');
    assert.deepEqual(r.events, ['request A tcp', 'upstream A', 'failed']);
  });

  test('a UDP answer that does not fit is truncated, by TCP it is whole', async () => {
    const addresses = Array.from({ length: 100 }, (_, index) => `10.0.0.${index}`);
    const r = rig({ 'many/4': { kind: 'addresses', addresses } });
    const cut = await ask(r, { questions: [{ type: 'A', name: 'many' }] });
    assert.equal(cut.flag_tc, true);
    assert.deepEqual(cut.answers, []);
    const whole = await ask(r, { questions: [{ type: 'A', name: 'many' }] }, 'tcp');
    assert.equal(whole.answers?.length, 100);
  });

  test('EDNS is echoed with at least 512 bytes and widens what fits', async () => {
    const addresses = Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`);
    const r = rig({ 'many/4': { kind: 'addresses', addresses } });
    const reply = await ask(r, {
      questions: [{ type: 'A', name: 'many' }],
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 2048,
          flags: 0,
          extendedRcode: 0,
          ednsVersion: 0,
          flag_do: false,
          options: [],
        },
      ],
    });
    assert.equal(reply.answers?.length, 60);
    assert.equal(reply.additionals?.[0]?.type, 'OPT');
  });

  test('what is no query gets no reply', async () => {
    const r = rig({});
    const signal = new AbortController().signal;
    const response = dns.encode({ type: 'response', id: 1, questions: [{ type: 'A', name: 'x' }] });
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(11),
      Buffer.alloc(12),
      response,
      Buffer.from('00010100000100000000000003777777', 'hex'),
    ]) {
      assert.equal(await r.responder.respond(bytes, 'udp', { signal }), undefined);
    }
  });

  test('mutated queries never throw', async () => {
    const r = rig({ 'db.shop/4': { kind: 'addresses', addresses: ['10.0.0.1'] } });
    const signal = new AbortController().signal;
    const good = dns.encode({
      type: 'query',
      id: 7,
      questions: [{ type: 'A', name: 'db.shop' }],
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 2048,
          flags: 0,
          extendedRcode: 0,
          ednsVersion: 0,
          flag_do: false,
          options: [],
        },
      ],
    });
    let seed = 1;
    const next = (): number => (seed = (seed * 48_271) % 2_147_483_647);
    for (let round = 0; round < 3_000; round += 1) {
      const bytes = Buffer.from(good.subarray(0, 1 + (next() % good.length)));
      for (let change = 0; change < 3; change += 1) bytes[next() % bytes.length] = next() & 0xff;
      await r.responder.respond(bytes, 'udp', { signal });
    }
    assert.equal((await ask(r, { questions: [{ type: 'A', name: 'db.shop' }] })).answers?.length, 1);
  });
});

test('resolv.conf gives at most three servers and skips what is no address', () => {
  const text =
    '# nameserver 9.9.9.9\nsearch a b\nnameserver 10.0.0.1\n  nameserver fd00::1 # x\nnameserver fe80::1%eth0\nnameserver bad\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n';
  assert.deepEqual(parseNameservers(text), ['10.0.0.1', 'fd00::1', '10.0.0.2']);
  assert.deepEqual(parseNameservers(''), []);
});
