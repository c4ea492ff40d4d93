import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_PROBE_ADDRESSES } from './capture-constants.ts';
import { countCarried } from './carried-connections.ts';
import { parseSave, sameState } from './iptables-save.ts';
import { renderApply, renderRemoval } from './iptables-text.ts';
import { chooseVariant } from './iptables-variant.ts';
import { renderNftApply } from './nftables-text.ts';
import { podRules, type CaptureOptions } from './rule-model.ts';

const ordinary: CaptureOptions = { ingressMode: false, dnsCapture: true, virtualInterfaces: [] };
const probes = DEFAULT_PROBE_ADDRESSES;

test('an ordinary pod gets the rules of the contract in their order', () => {
  assert.equal(
    renderApply(podRules(ordinary, 'capture'), 'v4', probes),
    `*mangle
:ISTIO_PRERT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
*nat
:ISTIO_OUTPUT - [0:0]
:ISTIO_PRERT - [0:0]
-A OUTPUT -j ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -j ACCEPT
-A ISTIO_OUTPUT -d 169.254.7.127/32 -p tcp -j ACCEPT
-A ISTIO_PRERT ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT ! -o lo -p udp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
*raw
:ISTIO_PRERT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -p udp --dport 53 -m mark --mark 0x539/0xfff -j CT --zone 1
-A ISTIO_PRERT -p udp --sport 53 -m mark ! --mark 0x539/0xfff -j CT --zone 1
COMMIT
`,
  );
});

test('the second family differs in its addresses only', () => {
  const v4 = renderApply(podRules(ordinary, 'capture'), 'v4', probes);
  const v6 = renderApply(podRules(ordinary, 'capture'), 'v6', probes);
  assert.equal(v6, v4.replaceAll('127.0.0.1/32', '::1/128').replaceAll('169.254.7.127/32', `${probes.v6}/128`));
});

test('ingress mode captures outbound traffic only', () => {
  const text = renderApply(podRules({ ...ordinary, ingressMode: true }, 'capture'), 'v4', probes);
  assert.doesNotMatch(text, /15006/);
  assert.doesNotMatch(text, /-A ISTIO_PRERT -s 169/);
  assert.match(text, /-A ISTIO_OUTPUT -d 169\.254\.7\.127\/32 -p tcp -j ACCEPT\n-A ISTIO_OUTPUT ! -o lo -p udp/);
});

test('without DNS capture neither port 53 nor the raw table is touched', () => {
  const text = renderApply(podRules({ ...ordinary, dnsCapture: false }, 'capture'), 'v4', probes);
  assert.doesNotMatch(text, /53 |15053|\*raw/);
});

test('nested interfaces are captured before anything else', () => {
  const text = renderApply(podRules({ ...ordinary, virtualInterfaces: ['k6t-net1'] }, 'capture'), 'v4', probes);
  assert.match(
    text,
    /-A PREROUTING -j ISTIO_PRERT\n-A ISTIO_PRERT -i k6t-net1 -p tcp -j REDIRECT --to-ports 15001\n-A ISTIO_PRERT -i k6t-net1 -p tcp -j RETURN\n/,
  );
});

test('a pod that is only carried has an empty nat chain and keeps the return path', () => {
  const text = renderApply(podRules(ordinary, 'carry'), 'v4', probes);
  assert.doesNotMatch(text, /REDIRECT/);
  assert.match(text, /CONNMARK --set-xmark/);
  assert.match(text, /\*nat\n:ISTIO_OUTPUT - \[0:0\]/);
});

test('applying again adds no second jump, and removes surplus ones', () => {
  const save =
    '*nat\n:OUTPUT ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\n-A OUTPUT -p udp -j ACCEPT\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n';
  const text = renderApply(podRules(ordinary, 'capture'), 'v4', probes, parseSave(save));
  const nat = text.slice(text.indexOf('*nat'), text.indexOf('*raw'));
  assert.equal(nat.match(/-D OUTPUT -j ISTIO_OUTPUT/g)?.length, 1);
  assert.doesNotMatch(nat, /-A OUTPUT -j ISTIO_OUTPUT/);
  assert.match(nat, /-A PREROUTING -j ISTIO_PRERT/);
});

test('removal takes what is there and nothing else', () => {
  assert.equal(
    renderRemoval(parseSave('*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.0.0.1/32 -j ACCEPT\nCOMMIT\n')),
    '',
  );
  const save = '*mangle\n:ISTIO_PRERT - [0:0]\n-A PREROUTING -j ISTIO_PRERT\n-A ISTIO_PRERT -j RETURN\nCOMMIT\n';
  assert.equal(
    renderRemoval(parseSave(save)),
    '*mangle\n-D PREROUTING -j ISTIO_PRERT\n-F ISTIO_PRERT\n-X ISTIO_PRERT\nCOMMIT\n',
  );
});

test('two listings are the same state only when jumps, rules and order are', () => {
  const one =
    '*nat\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\n-A ISTIO_OUTPUT -p tcp -j ACCEPT\n-A ISTIO_OUTPUT -p udp -j ACCEPT\nCOMMIT\n';
  assert.ok(sameState(parseSave(one), parseSave(`# a comment\n${one}`)));
  assert.ok(!sameState(parseSave(one), parseSave(one.replace('-A OUTPUT -j ISTIO_OUTPUT\n', ''))));
  assert.ok(!sameState(parseSave(one), parseSave(one.replace('tcp', 'x').replace('udp', 'tcp').replace('x', 'udp'))));
});

test('nftables text is one transaction with a counter on each rule', () => {
  const text = renderNftApply(podRules(ordinary, 'capture'), ['v4', 'v6'], probes);
  const rules = text.split('\n').filter((line) => line.startsWith('add rule'));
  assert.equal(rules.filter((line) => !line.includes(' counter ')).length, 0);
  assert.match(text, /add table inet istio-ambient-nat\nflush table inet istio-ambient-nat\n/);
  assert.match(text, /add chain inet istio-ambient-mangle output { type route hook output priority -150;/);
  assert.match(
    text,
    /istio-output ip daddr != 127\.0\.0\.1 meta l4proto tcp meta mark & 0xfff != 0x539 counter redirect to :15001\n.*ip6 daddr != ::1 meta l4proto tcp/,
  );
  assert.match(text, /ct mark set ct mark & 0xfffff000 \| 0x111/);
});

test("the iptables variant is forced, or the kubelet's, or the one with rules, or the default", () => {
  const nothing = {
    forced: undefined,
    nftSave: '',
    legacySave: '',
    defaultVersion: 'iptables v1.8.9 (nf_tables)',
  } as const;
  assert.equal(chooseVariant({ ...nothing, forced: 'legacy' }), 'legacy');
  assert.equal(
    chooseVariant({ ...nothing, legacySave: '*mangle\n:KUBE-IPTABLES-HINT - [0:0]\n', nftSave: '-A INPUT -j DROP\n' }),
    'legacy',
  );
  assert.equal(chooseVariant({ ...nothing, legacySave: '-A INPUT -j DROP\n' }), 'legacy');
  assert.equal(chooseVariant(nothing), 'nft');
  assert.equal(chooseVariant({ ...nothing, defaultVersion: 'iptables v1.8.9 (legacy)' }), 'legacy');
  assert.equal(chooseVariant({ ...nothing, nftSave: undefined }), 'legacy');
});

test('connections ztunnel carries are counted, its tunnels and other sockets are not', () => {
  const listing = `ESTAB 0 0 [::ffff:10.0.0.2]:15001 [::ffff:10.0.0.2]:40000 ino:1 sk:1 fwmark:0x539 <->
ESTAB 0 0 10.0.0.9:5000 10.0.0.2:8080 ino:1 sk:2 fwmark:0x539 <->
ESTAB 0 0 10.0.0.2:40010 10.0.0.9:15008 ino:1 sk:3 fwmark:0x539 <->
ESTAB 0 0 [::ffff:10.0.0.2]:15008 [::ffff:10.0.0.9]:1 ino:1 sk:4 fwmark:0x539 <->
ESTAB 0 0 10.0.0.2:40000 10.0.0.9:80 ino:1 sk:5 <->
`;
  assert.equal(countCarried(listing), 2);
});
