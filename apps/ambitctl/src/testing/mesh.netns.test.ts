import { meshSuite } from './mesh-suite.ts';

meshSuite({
  title: 'a mesh of two Ambit ztunnels',
  labName: `tm${process.pid}`,
  ztunnelPrograms: {},
  skip: process.getuid?.() === 0 ? false : 'needs root for network namespaces',
});
