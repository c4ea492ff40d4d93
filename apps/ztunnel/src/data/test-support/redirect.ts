import { execFileSync } from 'node:child_process';
import type { Netns } from '@ambit/testing';

/** The rules of the contract, section 2.2, without DNS, in a pod's namespace. */
export function redirect(netns: Netns): void {
  const rules = (loopback: string, probe: string): string => `*mangle
:ISTIO_PRERT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
*nat
:ISTIO_PRERT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A OUTPUT -j ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A ISTIO_PRERT -s ${probe} -p tcp -j ACCEPT
-A ISTIO_OUTPUT -d ${probe} -p tcp -j ACCEPT
-A ISTIO_PRERT ! -d ${loopback} -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d ${loopback} -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d ${loopback} -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
`;
  const families = [
    ['iptables-restore', rules('127.0.0.1/32', '169.254.7.127'), '-4', '0.0.0.0/0'],
    ['ip6tables-restore', rules('::1/128', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'), '-6', '::/0'],
  ] as const;
  for (const [command, input, family, all] of families) {
    execFileSync('ip', ['netns', 'exec', netns.name, command, '--noflush'], {
      input,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    netns.run('ip', family, 'rule', 'add', 'fwmark', '0x111/0xfff', 'pref', '32764', 'lookup', '100');
    netns.run('ip', family, 'route', 'add', 'local', all, 'dev', 'lo', 'table', '100');
  }
}
