export { type TestCa, type TestCertificate, type TestLeafOptions, makeTestCa } from './certificates.ts';
export { type LinkEnd, Netns, NetnsSet, netnsSkipReason } from './netns.ts';
export { TcpRelay } from './tcp-relay.ts';
