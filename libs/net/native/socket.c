/* Network namespaces and sockets: listeners, connecting, names of both ends, options. */
#define _GNU_SOURCE
#include "addon.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* From linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h, whose headers clash with libc's. */
enum { ORIGINAL_DST_V4 = 80, ORIGINAL_DST_V6 = 80 };
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

int socket_in_namespace(struct addon_state *state, int netns_fd, int family, int type) {
  int fd, saved;
  type |= SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (netns_fd < 0) {
    fd = socket(family, type, 0);
    return fd < 0 ? -errno : fd;
  }
  if (state->own_netns < 0) {
    state->own_netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (state->own_netns < 0) return -errno;
  }
  if (setns(netns_fd, CLONE_NEWNET) < 0) return -errno;
  fd = socket(family, type, 0);
  saved = errno;
  /* A thread left in a pod's namespace would dial and listen there for everybody: nothing may run after that. */
  if (setns(state->own_netns, CLONE_NEWNET) < 0) {
    perror("ambit io: cannot return to the own network namespace");
    abort();
  }
  return fd < 0 ? -saved : fd;
}

/* Fills `out` from address text and port; returns its size, or 0 when the text is no IP address. */
static socklen_t parse_address(const char *text, int port, struct sockaddr_storage *out) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
  memset(out, 0, sizeof *out);
  if (port < 0 || port > 65535) return 0;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return sizeof *v6;
  }
  return 0;
}

static int set_int(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value); }

/* Lets the socket use addresses that are not local. One bit in the kernel, but each family has its own option for it. */
static int set_transparent(int fd, int family) {
  return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1) : set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
}

static napi_value close_failed(napi_env env, int fd) {
  int saved = errno;
  close(fd);
  return ret_int(env, -saved);
}

enum { BIND_REUSE_PORT = 1, BIND_DUAL_STACK = 2, BIND_TRANSPARENT = 4 };

/* The mark must be on the socket before bind: a listener without it takes part in the pod's redirection at once. */
static int bind_socket(int fd, const struct sockaddr_storage *to, socklen_t size, int mark, int flags) {
  if (mark > 0 && set_int(fd, SOL_SOCKET, SO_MARK, mark) < 0) return -1;
  if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
  if ((flags & BIND_REUSE_PORT) && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0) return -1;
  if (to->ss_family == AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !(flags & BIND_DUAL_STACK)) < 0) return -1;
  if (flags & BIND_TRANSPARENT) set_transparent(fd, to->ss_family);
  return bind(fd, (const struct sockaddr *)to, size);
}

/* bindSocket(type, netnsFd, address, port, mark, flags, backlog): type 1 stream (listening), 2 datagram */
static napi_value js_bind(napi_env env, napi_callback_info info) {
  ARGS(7);
  char text[64];
  struct sockaddr_storage to;
  socklen_t size;
  int type = arg_int(env, a[0]) == 2 ? SOCK_DGRAM : SOCK_STREAM;
  if (!arg_text(env, a[2], text, sizeof text) || !(size = parse_address(text, arg_int(env, a[3]), &to))) return ret_int(env, -EINVAL);
  int fd = socket_in_namespace(state, arg_int(env, a[1]), to.ss_family, type);
  if (fd < 0) return ret_int(env, fd);
  if (bind_socket(fd, &to, size, arg_int(env, a[4]), arg_int(env, a[5])) < 0) return close_failed(env, fd);
  if (type == SOCK_STREAM && listen(fd, arg_int(env, a[6])) < 0) return close_failed(env, fd);
  return ret_int(env, fd);
}

/*
 * Asks for `source` as the connection's own address though it belongs to somebody else. Not having it is no error:
 * the connection then goes out with the address of its namespace (Spec: data-plane 2.9). A transparent socket needs no
 * FREEBIND on top: to the kernel either permits a foreign address.
 */
static void spoof_source(int fd, const char *text, int family) {
  struct sockaddr_storage from;
  socklen_t size = parse_address(text, 0, &from);
  if (!size || from.ss_family != family || set_transparent(fd, family) < 0) return;
  set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (bind(fd, (struct sockaddr *)&from, size) < 0) return; /* stays unbound: the kernel picks the address */
}

/* The kernel's own range of ports for connecting, unless the namespace has another: then the windows change nothing. */
enum { FIRST_PORT = 32768, PORT_WINDOW = 64, PORT_WINDOWS = 441 };

/*
 * The next few ports a connection may come from, so that each is left alone for as long as possible. Who closes first
 * keeps its port for a minute (TIME_WAIT), and for one client and one server the kernel's search tries one port after
 * the other through all of them: at 15,000 connections a minute that was two thirds of the proxy's time.
 */
static void narrow_ports(struct addon_state *state, int fd) {
  uint32_t low = FIRST_PORT + state->port_window++ % PORT_WINDOWS * PORT_WINDOW;
  set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, (int)((low + PORT_WINDOW - 1) << 16 | low)); /* before Linux 6.3: no windows */
}

/* A connect from somebody else's address. A window without a free port is no reason to fail: all ports are tried then. */
static int connect_from(struct addon_state *state, int fd, const char *source, const struct sockaddr_storage *to, socklen_t size) {
  spoof_source(fd, source, to->ss_family);
  narrow_ports(state, fd);
  int rc = connect(fd, (const struct sockaddr *)to, size);
  if (rc == 0 || errno != EADDRNOTAVAIL) return rc;
  set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, 0);
  return connect(fd, (const struct sockaddr *)to, size);
}

static int set_keepalive(int fd, int idle_sec, int interval_sec, int probes) {
  if (set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0 || set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_sec) < 0) return -1;
  return set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_sec) < 0 ? -1 : set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

/* connectSocket(netnsFd, address, port, mark, source | "", noDelay, keepIdleSec | 0, keepIntervalSec, keepProbes) */
static napi_value js_connect(napi_env env, napi_callback_info info) {
  ARGS(9);
  char text[64], source[64];
  struct sockaddr_storage to;
  socklen_t size;
  if (!arg_text(env, a[1], text, sizeof text) || !arg_text(env, a[4], source, sizeof source)) return ret_int(env, -EINVAL);
  if (!(size = parse_address(text, arg_int(env, a[2]), &to))) return ret_int(env, -EINVAL);
  int fd = socket_in_namespace(state, arg_int(env, a[0]), to.ss_family, SOCK_STREAM);
  if (fd < 0) return ret_int(env, fd);
  int mark = arg_int(env, a[3]), idle_sec = arg_int(env, a[6]);
  if (mark > 0 && set_int(fd, SOL_SOCKET, SO_MARK, mark) < 0) return close_failed(env, fd);
  if (arg_int(env, a[5]) > 0) set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (idle_sec > 0 && set_keepalive(fd, idle_sec, arg_int(env, a[7]), arg_int(env, a[8])) < 0) return close_failed(env, fd);
  int rc = *source ? connect_from(state, fd, source, &to, size) : connect(fd, (struct sockaddr *)&to, size);
  return rc < 0 && errno != EINPROGRESS ? close_failed(env, fd) : ret_int(env, fd);
}

static napi_value js_accept(napi_env env, napi_callback_info info) {
  ARGS(1);
  int fd, listener = arg_int(env, a[0]);
  /* A client that left between SYN and accept is not an error of the listener: take the next one. */
  do fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  return ret_errno(env, fd);
}

static napi_value js_socket_error(napi_env env, napi_callback_info info) {
  ARGS(1);
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(arg_int(env, a[0]), SOL_SOCKET, SO_ERROR, &error, &size) < 0) return ret_int(env, -errno);
  return ret_int(env, -error);
}

/* Writes address bytes (4 or 16; a v4-mapped address as 4) and the port; returns 4 or 6. `out` has 18 bytes. */
static int store_address(const struct sockaddr_storage *from, uint8_t *out) {
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
  if (from->ss_family != AF_INET && from->ss_family != AF_INET6) return -EAFNOSUPPORT;
  uint16_t port = ntohs(from->ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
  bool mapped = from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
  out[16] = (uint8_t)(port >> 8);
  out[17] = (uint8_t)port;
  if (from->ss_family == AF_INET6 && !mapped) {
    memcpy(out, &v6->sin6_addr, 16);
    return 6;
  }
  memcpy(out, mapped ? v6->sin6_addr.s6_addr + 12 : (const uint8_t *)&v4->sin_addr, 4);
  return 4;
}

enum { NAME_LOCAL = 0, NAME_PEER = 1, NAME_ORIGINAL = 2 };

/* socketName(fd, which, out: Uint8Array(18)): 4 | 6 | -errno */
static napi_value js_socket_name(napi_env env, napi_callback_info info) {
  ARGS(3);
  struct sockaddr_storage name;
  struct bytes out;
  socklen_t size = sizeof name;
  int fd = arg_int(env, a[0]), which = arg_int(env, a[1]), rc = -1;
  if (!arg_array(env, a[2], napi_uint8_array, &out) || out.length < 18) return ret_int(env, -EINVAL);
  memset(&name, 0, sizeof name);
  if (which == NAME_ORIGINAL) {
    /* IPv4 first even on a v6 socket: a dual-stack listener holds redirected v4 connections (Spec: data-plane 2.9). */
    rc = getsockopt(fd, IPPROTO_IP, ORIGINAL_DST_V4, &name, &size);
    if (rc < 0) {
      size = sizeof name;
      rc = getsockopt(fd, IPPROTO_IPV6, ORIGINAL_DST_V6, &name, &size);
    }
    size = sizeof name;
  }
  if (which == NAME_PEER) rc = getpeername(fd, (struct sockaddr *)&name, &size);
  else if (rc < 0) rc = getsockname(fd, (struct sockaddr *)&name, &size);
  return ret_int(env, rc < 0 ? -errno : store_address(&name, out.at));
}

/* socketOption(fd, option, value | -1 to read) for the few integer options of the table below */
static napi_value js_option(napi_env env, napi_callback_info info) {
  ARGS(3);
  static const struct { int level, name; } options[] = {
    {IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_MARK}, {IPPROTO_IP, IP_TRANSPARENT}, {IPPROTO_IPV6, IPV6_TRANSPARENT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT}, {SOL_SOCKET, SO_REUSEPORT}, {SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_SNDBUF}, {SOL_SOCKET, SO_RCVBUF},
  };
  int fd = arg_int(env, a[0]), option = arg_int(env, a[1]), value = arg_int(env, a[2]);
  if (option < 0 || (size_t)option >= sizeof options / sizeof *options) return ret_int(env, -EINVAL);
  socklen_t size = sizeof value;
  if (value >= 0) return ret_errno(env, set_int(fd, options[option].level, options[option].name, value));
  return getsockopt(fd, options[option].level, options[option].name, &value, &size) < 0 ? ret_int(env, -errno) : ret_int(env, value);
}

static napi_value js_keepalive(napi_env env, napi_callback_info info) {
  ARGS(4);
  return ret_errno(env, set_keepalive(arg_int(env, a[0]), arg_int(env, a[1]), arg_int(env, a[2]), arg_int(env, a[3])));
}

static napi_value js_reset_on_close(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  return ret_errno(env, setsockopt(arg_int(env, a[0]), SOL_SOCKET, SO_LINGER, &now, sizeof now));
}

static napi_value js_open_netns(napi_env env, napi_callback_info info) {
  ARGS(1);
  char path[4096];
  if (!arg_text(env, a[0], path, sizeof path)) return ret_int(env, -EINVAL);
  return ret_errno(env, open(path, O_RDONLY | O_CLOEXEC));
}

/* netnsId(fd): "device:inode", equal for two descriptors of one namespace; undefined on failure */
static napi_value js_netns_id(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct stat s;
  char text[64];
  napi_value out;
  if (fstat(arg_int(env, a[0]), &s) < 0) return NULL;
  int length = snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)s.st_dev, (unsigned long long)s.st_ino);
  napi_create_string_latin1(env, text, (size_t)length, &out);
  return out;
}

/* raiseFileLimit(): sets the soft limit of open files to the hard one; returns it (capped to int) or -errno */
static napi_value js_raise_file_limit(napi_env env, napi_callback_info info) {
  struct rlimit limit;
  (void)info;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return ret_int(env, -errno);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return ret_int(env, -errno);
  return ret_int(env, limit.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur);
}

const struct addon_function socket_functions[] = {
  {"bindSocket", js_bind}, {"connectSocket", js_connect}, {"accept", js_accept}, {"socketError", js_socket_error},
  {"socketName", js_socket_name}, {"socketOption", js_option}, {"setKeepalive", js_keepalive},
  {"resetOnClose", js_reset_on_close}, {"openNetns", js_open_netns}, {"netnsId", js_netns_id},
  {"raiseFileLimit", js_raise_file_limit}, {NULL, NULL},
};
