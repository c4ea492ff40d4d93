export { type TestCa, type TestCertificate, type TestLeafOptions, makeTestCa } from './certificates.ts';
