/* Unix sockets of type SEQPACKET, with descriptors passed beside the bytes (SCM_RIGHTS). libuv cannot adopt these. */
#define _GNU_SOURCE
#include "addon.h"
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_PASSED = 8 };

static bool unix_address(napi_env env, napi_value path, struct sockaddr_un *out) {
  memset(out, 0, sizeof *out);
  out->sun_family = AF_UNIX;
  return arg_text(env, path, out->sun_path, sizeof out->sun_path) && out->sun_path[0];
}

/* seqpacketListen(path): the caller removes a stale file first */
static napi_value js_listen(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct sockaddr_un name;
  if (!unix_address(env, a[0], &name)) return ret_int(env, -EINVAL);
  int fd = socket_in_namespace(state, -1, AF_UNIX, SOCK_SEQPACKET);
  if (fd < 0) return ret_int(env, fd);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0 || listen(fd, 128) < 0) {
    int saved = errno;
    close(fd);
    return ret_int(env, -saved);
  }
  return ret_int(env, fd);
}

static napi_value js_connect(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct sockaddr_un name;
  if (!unix_address(env, a[0], &name)) return ret_int(env, -EINVAL);
  int fd = socket_in_namespace(state, -1, AF_UNIX, SOCK_SEQPACKET);
  if (fd < 0) return ret_int(env, fd);
  if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) {
    int saved = errno;
    close(fd);
    return ret_int(env, -saved);
  }
  return ret_int(env, fd);
}

/* sendPacket(fd, bytes, passFd | -1) */
static napi_value js_send(napi_env env, napi_callback_info info) {
  ARGS(3);
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct bytes b;
  int passed = arg_int(env, a[2]);
  ssize_t n;
  if (!arg_array(env, a[1], napi_uint8_array, &b)) return ret_int(env, -EINVAL);
  struct iovec part = {b.at, b.length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (passed >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  do n = sendmsg(arg_int(env, a[0]), &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return ret_errno(env, n);
}

/*
 * receivePacket(fd, buffer, out: Int32Array(2 + 8)): length | -errno. out[0] = 1 if bytes or descriptors were cut off,
 * out[1] = number of descriptors, which follow. They are close-on-exec and the caller's to close.
 */
static napi_value js_receive(napi_env env, napi_callback_info info) {
  ARGS(3);
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * MAX_PASSED)];
  } control;
  struct bytes b, out;
  ssize_t n;
  if (!arg_array(env, a[1], napi_uint8_array, &b) || !arg_array(env, a[2], napi_int32_array, &out)) return ret_int(env, -EINVAL);
  if (out.length < (2 + MAX_PASSED) * 4) return ret_int(env, -EINVAL);
  int32_t *result = (int32_t *)out.at;
  struct iovec part = {b.at, b.length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  do n = recvmsg(arg_int(env, a[0]), &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return ret_int(env, -errno);
  result[0] = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  result[1] = 0;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message); /* the only one: the kernel gathers descriptors into one */
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < count && result[1] < MAX_PASSED; i++)
      memcpy(&result[2 + result[1]++], CMSG_DATA(header) + (size_t)i * sizeof(int), sizeof(int));
  }
  return ret_int(env, n);
}

/* peerCredentials(fd, out: Int32Array(3)): fills pid, uid, gid of the process at the other end of a unix socket */
static napi_value js_credentials(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct ucred peer;
  struct bytes out;
  socklen_t size = sizeof peer;
  if (!arg_array(env, a[1], napi_int32_array, &out) || out.length < 12) return ret_int(env, -EINVAL);
  if (getsockopt(arg_int(env, a[0]), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return ret_int(env, -errno);
  int32_t *result = (int32_t *)out.at;
  result[0] = peer.pid;
  result[1] = (int32_t)peer.uid;
  result[2] = (int32_t)peer.gid;
  return ret_int(env, 0);
}

const struct addon_function packet_functions[] = {
  {"seqpacketListen", js_listen}, {"seqpacketConnect", js_connect}, {"sendPacket", js_send},
  {"receivePacket", js_receive}, {"peerCredentials", js_credentials}, {NULL, NULL},
};
