// Load generator and server of the L4 benchmark: one thread, epoll, plain TCP.
// It is C so that the measuring side costs as little of the two cores as possible.
//
//   load serve PORT
//   load requests ADDRESS PORT CONNECTIONS SECONDS [SIZE]     closed loop: one request in flight a connection
//   load connects ADDRESS PORT CONCURRENCY SECONDS [SIZE]     connect, one request, close
//   load bulk ADDRESS PORT FLOWS SECONDS up|down
//   load idle ADDRESS PORT CONNECTIONS                        opens, answers one request each, holds until stdin ends
//
// A connection begins with 8 bytes: 'E', 'U' or 'D', three unused bytes, and the request size (E), big endian.
// E: each request of that size is answered with the same number of bytes. U: the server reads until the end.
// D: the server writes until the client goes away. Results are one JSON line on stdout.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, EVENTS = 256, BUCKETS = 4096 };

struct peer {
  int fd;
  char mode;          // 0 while the preamble is incomplete
  unsigned char head[8];
  unsigned headLength;
  uint32_t size;      // bytes of one request
  uint32_t inward;    // bytes of the current message received
  uint64_t owed;      // bytes still to be written
  uint64_t startedNs; // when the current request was sent
  int connecting;
};

static char scratch[BUFFER];

static void die(const char *what) { perror(what); exit(1); }

static uint64_t nowNs(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void watch(int ep, int op, struct peer *p, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = p};
  if (epoll_ctl(ep, op, p->fd, &e) < 0) die("epoll_ctl");
}

static void noDelay(int fd) { int on = 1; setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); }

// ---- server ----

static void drop(struct peer *p) { close(p->fd); free(p); }

// Writes what is owed; returns -1 when the peer is gone. Interest in EPOLLOUT follows what is left.
static int payOwed(int ep, struct peer *p) {
  while (p->owed > 0) {
    size_t n = p->owed < BUFFER ? (size_t)p->owed : BUFFER;
    ssize_t w = write(p->fd, scratch, n);
    if (w < 0) {
      if (errno != EAGAIN) return -1;
      watch(ep, EPOLL_CTL_MOD, p, EPOLLIN | EPOLLOUT);
      return 0;
    }
    if (p->mode == 'E') p->owed -= (uint64_t)w;
  }
  return 0;
}

static int serveInput(int ep, struct peer *p) {
  for (;;) {
    if (p->headLength < 8) {
      ssize_t n = read(p->fd, p->head + p->headLength, 8 - p->headLength);
      if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
      p->headLength += (unsigned)n;
      if (p->headLength < 8) continue;
      p->mode = (char)p->head[0];
      uint32_t size;
      memcpy(&size, p->head + 4, 4);
      p->size = ntohl(size);
      if (p->mode == 'E' && p->size == 0) return -1;
      if (p->mode == 'D') { p->owed = UINT64_MAX; return payOwed(ep, p); }
    }
    ssize_t n = read(p->fd, scratch, BUFFER);
    if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
    if (p->mode != 'E') continue;
    uint64_t total = (uint64_t)p->inward + (uint64_t)n;
    p->owed += total / p->size * p->size;
    p->inward = (uint32_t)(total % p->size);
    if (p->owed > 0 && payOwed(ep, p) < 0) return -1;
    if ((size_t)n < BUFFER) return 0;
  }
}

static void serve(int port) {
  int listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), off = 0, on = 1;
  if (listener < 0) die("socket");
  setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0) die("bind");
  if (listen(listener, 1024) < 0) die("listen");
  int ep = epoll_create1(0);
  struct peer self = {.fd = listener};
  watch(ep, EPOLL_CTL_ADD, &self, EPOLLIN);
  struct epoll_event ev[EVENTS];
  for (;;) {
    int n = epoll_wait(ep, ev, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      struct peer *p = ev[i].data.ptr;
      if (p == &self) {
        int fd;
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          noDelay(fd);
          struct peer *q = calloc(1, sizeof *q);
          q->fd = fd;
          watch(ep, EPOLL_CTL_ADD, q, EPOLLIN);
        }
        continue;
      }
      if (ev[i].events & EPOLLOUT) {
        watch(ep, EPOLL_CTL_MOD, p, EPOLLIN);
        if (payOwed(ep, p) < 0) { drop(p); continue; }
      }
      if ((ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && serveInput(ep, p) < 0) drop(p);
    }
  }
}

// ---- client ----

static struct sockaddr_storage target;
static socklen_t targetLength;

static void resolve(const char *address, const char *port) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)&target;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target;
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET, v4->sin_port = htons((uint16_t)atoi(port)), targetLength = sizeof *v4;
  } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6, v6->sin6_port = htons((uint16_t)atoi(port)), targetLength = sizeof *v6;
  } else {
    fprintf(stderr, "not an IP address: %s\n", address);
    exit(64);
  }
}

static uint64_t latency[BUCKETS]; // log-linear: 64 steps for each doubling of nanoseconds

static unsigned bucketOf(uint64_t ns) {
  if (ns < 64) return (unsigned)ns;
  unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 6;
  unsigned b = (shift + 1) * 64 + (unsigned)((ns >> shift) & 63);
  return b < BUCKETS ? b : BUCKETS - 1;
}

static double percentileUs(double fraction) {
  uint64_t total = 0, seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) total += latency[i];
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += latency[i];
    if (total > 0 && (double)seen >= fraction * (double)total) {
      double ns = i < 64 ? i : (double)((uint64_t)(64 + i % 64) << (i / 64 - 1));
      return ns / 1000;
    }
  }
  return 0;
}

static void preamble(struct peer *p, char mode, uint32_t size) {
  unsigned char head[8] = {(unsigned char)mode};
  uint32_t be = htonl(size);
  memcpy(head + 4, &be, 4);
  if (write(p->fd, head, 8) != 8) die("preamble");
  p->mode = mode, p->size = size, p->connecting = 0;
}

static int dial(struct peer *p) {
  p->fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (p->fd < 0) die("socket");
  noDelay(p->fd);
  p->connecting = 1, p->inward = 0;
  p->startedNs = nowNs();
  if (connect(p->fd, (struct sockaddr *)&target, targetLength) < 0 && errno != EINPROGRESS) return -1;
  return 0;
}

static int sendRequest(struct peer *p) {
  p->inward = 0;
  return write(p->fd, scratch, p->size) == (ssize_t)p->size ? 0 : -1;
}

static void runRequests(int connections, double seconds, uint32_t size, int reconnect) {
  int ep = epoll_create1(0);
  struct peer *peers = calloc((size_t)connections, sizeof *peers);
  uint64_t done = 0, errors = 0, begin = nowNs(), end = begin + (uint64_t)(seconds * 1e9);
  // The first tenth warms up and is not counted.
  uint64_t countFrom = reconnect ? begin : begin + (end - begin) / 10;
  for (int i = 0; i < connections; i++) {
    if (dial(&peers[i]) < 0) die("connect");
    watch(ep, EPOLL_CTL_ADD, &peers[i], EPOLLOUT);
  }
  struct epoll_event ev[EVENTS];
  int live = connections;
  while (live > 0 && nowNs() < end) {
    int n = epoll_wait(ep, ev, EVENTS, 100);
    for (int i = 0; i < n; i++) {
      struct peer *p = ev[i].data.ptr;
      int broken = 0, finished = 0;
      if (p->connecting) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) broken = 1;
        else {
          preamble(p, 'E', size);
          if (!reconnect) p->startedNs = nowNs();
          broken = sendRequest(p) < 0;
          watch(ep, EPOLL_CTL_MOD, p, EPOLLIN);
        }
      } else {
        ssize_t r = read(p->fd, scratch, BUFFER);
        if (r <= 0) broken = !(r < 0 && errno == EAGAIN);
        else if ((p->inward += (uint32_t)r) >= size) finished = 1;
      }
      if (finished) {
        uint64_t now = nowNs();
        if (now >= countFrom) done += 1, latency[bucketOf(now - p->startedNs)] += 1;
        if (!reconnect) {
          p->startedNs = now;
          broken = sendRequest(p) < 0;
        }
      }
      if (broken) errors += 1;
      if (broken || (finished && reconnect)) {
        close(p->fd);
        if (!reconnect) { live -= 1; continue; }
        if (dial(p) < 0) errors += 1;
        watch(ep, EPOLL_CTL_ADD, p, EPOLLOUT);
      }
    }
  }
  double took = (double)(nowNs() - countFrom) / 1e9;
  printf("{\"perSecond\":%.1f,\"count\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"p50Us\":%.1f,\"p99Us\":%.1f}\n", (double)done / took,
         (unsigned long long)done, (unsigned long long)errors, took, percentileUs(0.5), percentileUs(0.99));
}

static void runBulk(int flows, double seconds, int up) {
  int ep = epoll_create1(0);
  struct peer *peers = calloc((size_t)flows, sizeof *peers);
  for (int i = 0; i < flows; i++) {
    if (dial(&peers[i]) < 0) die("connect");
    watch(ep, EPOLL_CTL_ADD, &peers[i], EPOLLOUT);
  }
  uint64_t begin = nowNs(), end = begin + (uint64_t)(seconds * 1e9), countFrom = begin + (end - begin) / 10, bytes = 0, errors = 0, now;
  struct epoll_event ev[EVENTS];
  while ((now = nowNs()) < end) {
    int n = epoll_wait(ep, ev, EVENTS, 100);
    for (int i = 0; i < n; i++) {
      struct peer *p = ev[i].data.ptr;
      if (p->connecting) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) { fprintf(stderr, "connect: %s\n", strerror(error)); exit(1); }
        preamble(p, up ? 'U' : 'D', 0);
        watch(ep, EPOLL_CTL_MOD, p, up ? EPOLLOUT : EPOLLIN);
        continue;
      }
      ssize_t r = up ? write(p->fd, scratch, BUFFER) : read(p->fd, scratch, BUFFER);
      if (r > 0) { if (now >= countFrom) bytes += (uint64_t)r; }
      else if (!(r < 0 && errno == EAGAIN)) { errors += 1; epoll_ctl(ep, EPOLL_CTL_DEL, p->fd, NULL); }
    }
  }
  double took = (double)(nowNs() - countFrom) / 1e9;
  printf("{\"gbitPerSecond\":%.4f,\"bytes\":%llu,\"errors\":%llu,\"seconds\":%.3f}\n", (double)bytes * 8 / took / 1e9, (unsigned long long)bytes,
         (unsigned long long)errors, took);
}

static void runIdle(int connections) {
  int open = 0, errors = 0;
  for (int i = 0; i < connections; i++) {
    struct peer p = {0};
    p.fd = socket(target.ss_family, SOCK_STREAM, 0);
    if (p.fd < 0 || connect(p.fd, (struct sockaddr *)&target, targetLength) < 0) { errors += 1; continue; }
    preamble(&p, 'E', 64);
    if (sendRequest(&p) < 0 || recv(p.fd, scratch, 64, MSG_WAITALL) != 64) errors += 1;
    else open += 1;
  }
  printf("{\"open\":%d,\"errors\":%d}\n", open, errors);
  fflush(stdout);
  while (read(0, scratch, BUFFER) > 0) {}
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (argc >= 3 && !strcmp(argv[1], "serve")) serve(atoi(argv[2]));
  if (argc < 5) { fprintf(stderr, "usage: see the head of load.c\n"); return 64; }
  resolve(argv[2], argv[3]);
  int number = atoi(argv[4]);
  double seconds = argc > 5 ? atof(argv[5]) : 0;
  uint32_t size = argc > 6 ? (uint32_t)atoi(argv[6]) : 1024;
  if (!strcmp(argv[1], "requests")) runRequests(number, seconds, size, 0);
  else if (!strcmp(argv[1], "connects")) runRequests(number, seconds, size, 1);
  else if (!strcmp(argv[1], "bulk")) runBulk(number, seconds, argc > 6 && !strcmp(argv[6], "up"));
  else if (!strcmp(argv[1], "idle")) runIdle(number);
  else { fprintf(stderr, "unknown command: %s\n", argv[1]); return 64; }
  return 0;
}
