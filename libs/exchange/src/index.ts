export type { ClientConnection, ClientConnectionOwner, ClientExchange, ClientExchangeUser } from './client-exchange.ts';
export { ExchangeError, type ExchangeErrorKind } from './exchange-error.ts';
export { FieldList } from './field-list.ts';
export type { HttpProtocol, RequestHead, ResponseHead } from './message-head.ts';
export type {
  ServerConnection,
  ServerConnectionHandler,
  ServerExchange,
  ServerExchangeUser,
} from './server-exchange.ts';
export {
  type ClientConnectionSettings,
  defaultClientConnectionSettings,
  defaultHttp2Settings,
  defaultServerConnectionSettings,
  type Http2Settings,
  type ServerConnectionSettings,
} from './connection-settings.ts';
export { Http1ServerConnection } from './http1/http1-server-connection.ts';
export { Http1ClientConnection } from './http1/http1-client-connection.ts';
export { Http2ClientConnection } from './http2/http2-client-connection.ts';
export { Http2ServerConnection } from './http2/http2-server-connection.ts';
export { type DetectedProtocol, detectHttp } from './detect-http.ts';
export { acceptHttp } from './detecting-connection.ts';
