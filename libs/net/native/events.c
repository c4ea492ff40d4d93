/* epoll and eventfd. The loop around them is TypeScript (EventLoop). */
#define _GNU_SOURCE
#include "addon.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_EVENTS = 256 };

static napi_value js_epoll_create(napi_env env, napi_callback_info info) {
  (void)info;
  return ret_errno(env, epoll_create1(EPOLL_CLOEXEC));
}

/* epollControl(epollFd, operation 1 add | 2 delete | 3 modify, fd, events, tag): the tag comes back with each event */
static napi_value js_epoll_control(napi_env env, napi_callback_info info) {
  ARGS(5);
  struct epoll_event event = {.events = (uint32_t)arg_int(env, a[3])};
  int fd = arg_int(env, a[2]);
  event.data.u64 = (uint64_t)(uint32_t)arg_int(env, a[4]) << 32 | (uint32_t)fd;
  return ret_errno(env, epoll_ctl(arg_int(env, a[0]), arg_int(env, a[1]), fd, &event));
}

/* epollWait(epollFd, out: Int32Array of (fd, tag, events) triples, timeoutMs | -1): count. An interrupted wait is 0. */
static napi_value js_epoll_wait(napi_env env, napi_callback_info info) {
  ARGS(3);
  struct epoll_event events[MAX_EVENTS];
  struct bytes out;
  if (!arg_array(env, a[1], napi_int32_array, &out) || out.length < 12) return ret_int(env, -EINVAL);
  int room = out.length / 12 > MAX_EVENTS ? MAX_EVENTS : (int)(out.length / 12);
  int count = epoll_wait(arg_int(env, a[0]), events, room, arg_int(env, a[2]));
  if (count < 0) return ret_int(env, errno == EINTR ? 0 : -errno);
  int32_t *at = (int32_t *)out.at;
  for (int i = 0; i < count; i++) {
    *at++ = (int32_t)(uint32_t)events[i].data.u64;
    *at++ = (int32_t)(uint32_t)(events[i].data.u64 >> 32);
    *at++ = (int32_t)events[i].events;
  }
  return ret_int(env, count);
}

static napi_value js_eventfd(napi_env env, napi_callback_info info) {
  (void)info;
  return ret_errno(env, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

/* eventfdSignal(fd): may be called from any thread; a counter that is full is signalled already */
static napi_value js_eventfd_signal(napi_env env, napi_callback_info info) {
  ARGS(1);
  uint64_t one = 1;
  ssize_t n = write(arg_int(env, a[0]), &one, sizeof one);
  return ret_int(env, n < 0 && errno != EAGAIN ? -errno : 0);
}

static napi_value js_eventfd_clear(napi_env env, napi_callback_info info) {
  ARGS(1);
  uint64_t count;
  ssize_t n = read(arg_int(env, a[0]), &count, sizeof count);
  return ret_int(env, n < 0 && errno != EAGAIN ? -errno : 0);
}

const struct addon_function event_functions[] = {
  {"epollCreate", js_epoll_create}, {"epollControl", js_epoll_control}, {"epollWait", js_epoll_wait},
  {"eventfd", js_eventfd}, {"eventfdSignal", js_eventfd_signal}, {"eventfdClear", js_eventfd_clear}, {NULL, NULL},
};
