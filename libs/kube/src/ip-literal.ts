import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { ObjectReader } from './object-reader.ts';

/** True for `10.0.0.1` and `fd00::1`; false for zones (`%eth0`) and prefixes. */
export function isIpLiteral(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

/** True for an address or an address with a prefix length that fits its family. */
export function isCidrOrIp(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash < 0) return isIpLiteral(text);
  const address = text.slice(0, slash);
  const length = text.slice(slash + 1);
  if (!isIpLiteral(address) || !/^\d{1,3}$/.test(length)) return false;
  return Number(length) <= (isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1);
}

/** Reads a list of addresses; every one must be an IP address. */
export function readIpList(reader: ObjectReader, name: string): readonly string[] {
  const values = reader.strings(name);
  for (const value of values) {
    if (!isIpLiteral(value)) reader.error(name, `holds "${value}", which is not an IP address`);
  }
  return values;
}
