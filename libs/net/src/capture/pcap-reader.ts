/** Reads TCP packets out of a pcap file of an Ethernet link. Pure; what is cut short or of another kind is left out. */

export interface CapturedPacket {
  /** Both ends with their ports, in hexadecimal: the key of one direction of one connection. */
  readonly flow: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** A view into the file. */
  readonly payload: Buffer;
}

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const TCP = 6;

/** The file is of this machine, so its numbers are little-endian. */
export function readPackets(file: Buffer): readonly CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  for (let offset = FILE_HEADER_BYTES; offset + RECORD_HEADER_BYTES <= file.length;) {
    const end = offset + RECORD_HEADER_BYTES + file.readUInt32LE(offset + 8);
    if (end > file.length) break;
    const packet = readFrame(file.subarray(offset + RECORD_HEADER_BYTES, end));
    if (packet) packets.push(packet);
    offset = end;
  }
  return packets;
}

function readFrame(frame: Buffer): CapturedPacket | undefined {
  if (frame.length < ETHERNET_BYTES) return undefined;
  const type = frame.readUInt16BE(12);
  const packet = frame.subarray(ETHERNET_BYTES);
  if (type === ETHERTYPE_IPV4 && packet.length >= 20 && packet[9] === TCP) {
    const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
    return readSegment(packet.subarray(headerBytes, packet.readUInt16BE(2)), packet.subarray(12, 20));
  }
  if (type === ETHERTYPE_IPV6 && packet.length >= 40 && packet[6] === TCP)
    return readSegment(packet.subarray(40, 40 + packet.readUInt16BE(4)), packet.subarray(8, 40));
  return undefined;
}

function readSegment(segment: Buffer, addresses: Buffer): CapturedPacket | undefined {
  if (segment.length < 20) return undefined;
  const dataOffset = ((segment[12] ?? 0) >> 4) * 4;
  return {
    flow: `${addresses.toString('hex')} ${segment.toString('hex', 0, 4)}`,
    sourcePort: segment.readUInt16BE(0),
    destinationPort: segment.readUInt16BE(2),
    payload: segment.subarray(dataOffset),
  };
}
