/** Loopback addresses, in canonical text. */

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** The loopback address of the family of another address. */
export function loopbackLike(address: string): string {
  return address.includes(':') ? '::1' : '127.0.0.1';
}
