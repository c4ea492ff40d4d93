export { decodeEnvelope, encodeEnvelope, type Envelope, MAX_EVENT_BYTES } from './envelope.ts';
export { EventBus, type EventBusOptions, type EventBusStatus } from './event-bus.ts';
export { type EventName, type EventPayload, eventSchemas, patternOf, subjectOf } from './event-catalogue.ts';
export { EventError, type EventErrorCode } from './event-error.ts';
export type { EventTransport, TransportState, TransportStatus } from './event-transport.ts';
export { InProcessTransport } from './in-process-transport.ts';
export { NatsTransport, type NatsTransportOptions } from './nats-transport.ts';
export { UnixBusServer, type UnixBusServerOptions } from './unix-bus-server.ts';
export { UnixTransport, type UnixTransportOptions } from './unix-transport.ts';
