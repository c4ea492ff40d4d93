/** Decoders of the messages that workloads and services share. */
import { ipText } from './ip-words.ts';
import type { WireReader } from './wire-reader.ts';
import type { GatewayAddress, NamespacedHostname, PortMap } from './workload.ts';
import { WorkloadError } from './workload-error.ts';

/** A NetworkAddress; `length` is the CIDR prefix when there is one. */
export interface DecodedNetworkAddress {
  readonly network: string;
  readonly bytes: Uint8Array;
  readonly length: number | undefined;
}

/** Reads a length-delimited NetworkAddress. */
export function readNetworkAddress(reader: WireReader): DecodedNetworkAddress {
  const outer = reader.enter();
  let network = '';
  let bytes: Uint8Array = noBytes;
  let length: number | undefined;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) network = reader.string();
    else if (tag === 0x12) bytes = reader.bytes();
    else if (tag === 0x18) length = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { network, bytes, length };
}

/** Reads a length-delimited GatewayAddress; one without a destination is refused. */
export function readGatewayAddress(reader: WireReader): GatewayAddress {
  const outer = reader.enter();
  let destination: GatewayAddress['destination'] | undefined;
  let hbonePort = 0;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      destination = { kind: 'hostname', ...readNamespacedHostname(reader) };
    } else if (tag === 0x12) {
      const { network, bytes } = readNetworkAddress(reader);
      destination = { kind: 'address', network, address: ipText(bytes) };
    } else if (tag === 0x18) {
      hbonePort = reader.varint() & 0xffff;
    } else {
      reader.skip(tag);
    }
  }
  reader.leave(outer);
  if (destination === undefined) {
    const message = 'nonempty gateway address is missing address';
    throw new WorkloadError('WORKLOAD_BAD_GATEWAY', message);
  }
  return { destination, hbonePort };
}

function readNamespacedHostname(reader: WireReader): NamespacedHostname {
  const outer = reader.enter();
  let namespace = '';
  let hostname = '';
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) namespace = reader.string();
    else if (tag === 0x12) hostname = reader.string();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { namespace, hostname };
}

/** Reads one length-delimited Port into the map; ports are cut to 16 bits, not refused. */
export function readPortInto(reader: WireReader, ports: Map<number, number>): void {
  const outer = reader.enter();
  let servicePort = 0;
  let targetPort = 0;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x08) servicePort = reader.varint() & 0xffff;
    else if (tag === 0x10) targetPort = reader.varint() & 0xffff;
    else reader.skip(tag);
  }
  reader.leave(outer);
  ports.set(servicePort, targetPort);
}

/** Reads a PortList up to the reader's limit. */
export function readPortList(reader: WireReader): PortMap {
  const ports = new Map<number, number>();
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === 0x0a) readPortInto(reader, ports);
    else reader.skip(tag);
  }
  return ports;
}

/** Looks an enum number up; a number that is not in the table refuses the resource. */
export function enumValue<T>(table: readonly (T | undefined)[], number: number, what: string): T {
  const value = table[number];
  if (value !== undefined) return value;
  throw new WorkloadError('WORKLOAD_UNKNOWN_ENUM', `unknown ${what}: ${number}`);
}

const noBytes: Uint8Array = new Uint8Array(0);
