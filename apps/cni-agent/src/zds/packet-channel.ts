/** One connected SEQPACKET socket as ZDS sees it; the socket itself is elsewhere, so that tests need none. */

export interface PacketChannelHandler {
  onPacket(packet: Uint8Array): void;
  /** Once, also after the own `close`. */
  onClosed(reason: string): void;
}

export interface PacketChannel {
  /** Sends one packet with at most one descriptor, which stays the caller's. @throws when the peer is gone. */
  send(packet: Uint8Array, passFd?: number): void;
  close(reason: string): void;
}
